#include "lake/prepared.h"

#include <fmt/format.h>
#include <simdjson.h>

#include "base/json_text.h"

namespace headrace {
namespace {

/// A date is told from a text: the steward turns it into days.
std::string part_json(const duckdb::Value& value) {
  if (value.IsNull()) return "null";
  switch (value.type().id()) {
    case LogicalTypeId::BOOLEAN:
      return value.GetValue<bool>() ? "true" : "false";
    case LogicalTypeId::INTEGER:
    case LogicalTypeId::BIGINT:
      return value.ToString();
    case LogicalTypeId::DATE:
      return fmt::format("{{\"date\":{}}}", json_string(value.ToString()));
    default:
      return json_string(value.ToString());
  }
}

std::string statistics_json(const ParquetColumnStatistics& column) {
  std::string out = fmt::format("\"{}\":{{\"bytes\":{},\"values\":{},\"nulls\":{}", column.field_id, column.bytes,
                                column.values, column.nulls);
  if (column.minimum && column.maximum)
    out += fmt::format(",\"min\":{},\"max\":{}", json_string(*column.minimum), json_string(*column.maximum));
  return out + "}";
}

Error corrupt(const std::string& text) {
  return Error{Code::corrupt_state, Blame::environment, Retry::never,
               fmt::format("a prepared lake commit cannot be read: '{}'", text)};
}

bool read_marker(simdjson::dom::element from, Marker& marker) {
  std::string_view content;
  if (from["generation"].get(marker.generation) || from["epoch"].get(marker.epoch) || from["content"].get(content))
    return false;
  marker.content = content;
  return true;
}

}  // namespace

std::string content_hash(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  return fmt::format("{:016x}", hash);
}

std::string Marker::json() const {
  return fmt::format(R"({{"generation":{},"epoch":{},"content":{}}})", generation, epoch, json_string(content));
}

PreparedFile prepared_file(const ParquetFile& file) {
  std::string part, columns;
  for (const duckdb::Value& value : file.part) part += (part.empty() ? "" : ",") + part_json(value);
  for (const ParquetColumnStatistics& column : file.columns)
    columns += (columns.empty() ? "" : ",") + statistics_json(column);
  return {file.path, fmt::format(R"({{"path":{},"rows":{},"bytes":{},"partition":[{}],"columns":{{{}}}}})",
                                 json_string(file.path), file.rows, file.bytes, part, columns)};
}

std::string Prepared::files_json() const {
  std::string out;
  for (const PreparedFile& file : files) out += (out.empty() ? "" : ",") + file.json;
  return fmt::format("[{}]", out);
}

std::string Prepared::json() const {
  return fmt::format(R"({{"table":{},"own":{},"predecessor":{},"files":{}}})", json_string(table), own.json(),
                     Marker::json(predecessor), files_json());
}

Result<Prepared> Prepared::parse(const std::string& text) {
  simdjson::dom::parser parser;
  simdjson::dom::element document, own, predecessor;
  simdjson::dom::array files;
  std::string_view table;
  if (parser.parse(text).get(document) || document["table"].get(table) || document["own"].get(own) ||
      document["predecessor"].get(predecessor) || document["files"].get(files))
    return corrupt(text);
  Prepared out;
  out.table = table;
  if (!read_marker(own, out.own)) return corrupt(text);
  if (!predecessor.is_null() && !read_marker(predecessor, out.predecessor.emplace())) return corrupt(text);
  for (simdjson::dom::element file : files) {
    std::string_view path;
    if (file["path"].get(path)) return corrupt(text);
    out.files.push_back({std::string(path), simdjson::minify(file)});
  }
  return out;
}

}  // namespace headrace
