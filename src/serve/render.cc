#include "serve/render.h"

#include <fmt/format.h>

#include "base/json_text.h"
#include "codec/encoder.h"
#include "duck/arrow_stream.h"

namespace headrace {
namespace {

Error too_long(int64_t bytes_max) {
  return user_error(Code::query_failed, fmt::format("the answer has more than {} bytes", bytes_max))
      .with_remedy("add a LIMIT, or ask for fewer columns");
}

bool over(const std::string& text, int64_t bytes_max) {
  return static_cast<int64_t>(text.size()) > bytes_max;
}

Result<std::string> rows_json(const RowTable& table, int64_t bytes_max) {
  std::string out = "{\"columns\":" + columns_json(table.schema) + ",\"rows\":[";
  bool first = true;
  for (const auto& chunk : table.chunks) {
    for (size_t row = 0; row < chunk->size(); ++row) {
      out += first ? "[" : ",[";
      first = false;
      for (size_t column = 0; column < table.schema.size(); ++column) {
        if (column) out.push_back(',');
        append_json_value(out, chunk->data[column], static_cast<int64_t>(row));
      }
      out.push_back(']');
    }
    if (over(out, bytes_max)) return too_long(bytes_max);
  }
  out += fmt::format("],\"tick\":{},\"durable_tick\":{}}}", table.tick.value, table.durable_tick.value);
  return out;
}

Result<std::string> rows_csv(const RowTable& table, int64_t bytes_max) {
  EncoderConfig config;
  config.format = "csv";
  config.schema = std::make_shared<const Schema>(table.schema);
  HEADRACE_ASSIGN(std::unique_ptr<Encoder> encoder, make_encoder(config));
  std::string out = encoder->prologue();
  for (const auto& chunk : table.chunks) {
    Batch batch;
    batch.schema = config.schema;
    batch.chunk.InitializeEmpty(chunk->GetTypes());
    batch.chunk.Reference(*chunk);
    encoder->encode(batch, out);
    if (over(out, bytes_max)) return too_long(bytes_max);
  }
  return out;
}

}  // namespace

std::string columns_json(const Schema& schema) {
  std::string out = "[";
  for (const Field& field : schema.fields()) {
    if (out.size() > 1) out.push_back(',');
    out += "{\"name\":" + json_string(field.name) + ",\"type\":" + json_string(field.type.ToString()) + "}";
  }
  return out + "]";
}

void append_row_object(std::string& out, const Schema& schema, const DataChunk& chunk, int64_t row) {
  out.push_back('{');
  for (size_t column = 0; column < schema.size(); ++column) {
    if (column) out.push_back(',');
    append_json_string(out, schema[column].name);
    out.push_back(':');
    append_json_value(out, chunk.data[column], row);
  }
  out.push_back('}');
}

Result<Response> table_response(const RowTable& table, std::string_view media_type, int64_t bytes_max) {
  Response out;
  out.content_type = media_type;
  if (media_type == "text/csv") {
    HEADRACE_ASSIGN(out.body, rows_csv(table, bytes_max));
    out.content_type += "; charset=utf-8";
  } else if (media_type == "application/vnd.apache.arrow.stream") {
    std::vector<std::string> names;
    for (const Field& field : table.schema.fields()) names.push_back(field.name);
    HEADRACE_ASSIGN(out.body, arrow_stream(names, table.schema.types(), table.chunks));
    if (over(out.body, bytes_max)) return too_long(bytes_max);
  } else {
    HEADRACE_ASSIGN(out.body, rows_json(table, bytes_max));
  }
  // A binary or CSV body has no place for them.
  out.headers.emplace_back("Headrace-Tick", std::to_string(table.tick.value));
  out.headers.emplace_back("Headrace-Durable-Tick", std::to_string(table.durable_tick.value));
  return out;
}

}  // namespace headrace
