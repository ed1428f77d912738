#include "connect/http/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace headrace {
namespace {

constexpr ConfigField own_http_fields[] = {
    {"format", FieldKind::choice, "ndjson", "ndjson | json: what a body is when its Content-Type does not say it."},
    {"lag_bytes_max", FieldKind::integer, "268435456",
     "Bytes of the source's log that may wait to be read; beyond, requests get 429 and Retry-After.", false, true},
    {"segment_bytes", FieldKind::integer, "67108864", "Size of one file of the log, in bytes; whole files are let go.",
     false, true},
};
constexpr ConfigField own_log_fields[] = {
    own_http_fields[0],
    own_http_fields[1],
    own_http_fields[2],
    {"retention", FieldKind::duration_ms, "7 d",
     "How long records are kept, so that a new pipeline can read them from the beginning.", false, true},
};

constexpr auto http_fields = with_common_source_fields(own_http_fields);
constexpr auto log_fields = with_common_source_fields(own_log_fields);

/// A column that was declared after its request had come: it is NULL there.
constexpr size_t not_stored = std::numeric_limits<size_t>::max();
/// Rows from which a chunk is passed on as it is; smaller ones are put together.
constexpr int64_t rows_enough = rows_per_batch / 2;

std::optional<int64_t> number_in(std::string_view text, std::string_view name) {
  std::string key = fmt::format("\"{}\":", name);
  size_t at = text.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  int64_t value = 0;
  const char* begin = text.data() + at + key.size();
  auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  return error == std::errc{} ? std::optional(value) : std::nullopt;
}

/// {"record":12,"records":3400}: the next record of the log, and the source records before it.
Result<int64_t> record_of(const Position& position) {
  std::optional<int64_t> number = number_in(position.text, "record");
  if (!number)
    return Error{
        Code::corrupt_state, Blame::environment, Retry::never, "not a position in a log: " + position.text, {}, {}};
  return *number;
}

std::string log_directory(const SourceContext& context) {
  return fmt::format("{}/log/{}", context.state_directory, context.name);
}

}  // namespace

HttpSource::HttpSource(const SourceContext& context, DoorOptions door)
    : schema_(context.schema),
      until_end_(context.until_end || context.end),
      end_(context.end),
      wake_(context.wake),
      door_(std::make_shared<HttpDoor>(std::move(door))) {}

Result<std::unique_ptr<Source>> HttpSource::make(const SourceContext& context, int64_t retention_us) {
  DoorOptions door;
  door.name = context.name;
  door.directory = log_directory(context);
  door.schema = context.declared;
  door.format = context.options->text("format");
  door.reject_extra_fields =
      context.options->has("extra_fields") && context.options->text("extra_fields") == "quarantine";
  door.null_on_error = context.options->has("on_error") && context.options->text("on_error") == "null";
  door.lag_bytes_max = context.options->integer("lag_bytes_max");
  door.segment_bytes = context.options->integer("segment_bytes");
  door.retention_us = retention_us;
  door.clock = context.clock ? context.clock : &system_clock();
  if (door.lag_bytes_max <= 0 || door.segment_bytes <= 0)
    return user_error(Code::bad_config,
                      fmt::format("source '{}': lag_bytes_max and segment_bytes must be positive", context.name));
  return std::unique_ptr<Source>(new HttpSource(context, std::move(door)));
}

Result<std::unique_ptr<Source>> HttpSource::make_http(const SourceContext& context) {
  return make(context, 0);
}

Result<std::unique_ptr<Source>> HttpSource::make_log(const SourceContext& context) {
  return make(context, context.options->duration_ms("retention") * 1000);
}

Result<Past> HttpSource::past(const SourceContext& context) {
  HEADRACE_ASSIGN(const int64_t first, first_record_kept(log_directory(context)));
  if (first == 0) return Past{Past::Kept::all, ""};
  HEADRACE_ASSIGN(const int64_t end, record_of(*context.end));
  if (first >= end) return Past{Past::Kept::none, "its log has let the records go"};
  return Past{Past::Kept::some, fmt::format("from request {} on; its log has let earlier ones go", first)};
}

Result<> HttpSource::open(const std::optional<Position>& from) {
  HEADRACE_TRY(door_->open(wake_));
  int64_t number = door_->log().begin();
  if (from) {
    HEADRACE_ASSIGN(number, record_of(*from));
  }
  HEADRACE_ASSIGN(next_, door_->place_of(number));
  door_->consumed(next_);
  end_number_ = door_->log().end();
  if (end_) {
    HEADRACE_ASSIGN(end_number_, record_of(*end_));
  }
  return {};
}

Result<Polled> HttpSource::poll(int64_t bytes_max) {
  Polled out;
  int64_t end = until_end_ ? end_number_ : door_->log().end();
  if (next_.number < end) {
    // Rows unpack to several times their bytes in the log.
    HEADRACE_ASSIGN(std::vector<LogRecord> records,
                    door_->log().read(next_.number, std::max<int64_t>(bytes_max / 4, 1)));
    Morsel morsel;
    morsel.origin = "http:" + door_->options().name;
    morsel.first_record = next_.records + 1;
    for (const LogRecord& record : records) {
      if (record.number >= end) break;
      HEADRACE_TRY(unpack(record, morsel));
    }
    door_->consumed(next_);
    out.morsels.push_back(std::move(morsel));
    // Only what was there when the poll began: at the head of a busy log there is always something new.
    if (next_.number < end) out.backlog = {0};
  }
  out.end_of_input = until_end_ && next_.number >= end_number_;
  out.caught_up = next_.number >= door_->log().end();
  return out;
}

Position HttpSource::position() const {
  return {fmt::format("{{\"record\":{},\"records\":{}}}", next_.number, next_.records)};
}

Result<> HttpSource::committed(const Position& position) {
  HEADRACE_ASSIGN(int64_t number, record_of(position));
  return door_->release(number);
}

Result<> HttpSource::unpack(const LogRecord& record, Morsel& morsel) {
  HEADRACE_ASSIGN(RequestVerdict verdict, decode_verdict(record.bytes));
  HEADRACE_ASSIGN(RequestRows rows, decode_rows(record.bytes));
  if (rows.names != names_seen_) {
    HEADRACE_ASSIGN(columns_, columns_of(rows.names));
    names_seen_ = rows.names;
  }
  for (DataChunk& chunk : rows.chunks) {
    for (size_t i = 0; i < columns_.size(); ++i)
      if (columns_[i] != not_stored && chunk.data[columns_[i]].GetType() != (*schema_)[i].type)
        return Error{Code::state_mismatch,
                     Blame::user,
                     Retry::never,
                     fmt::format("the log of source '{}' has column '{}' as {}; it is declared as {}",
                                 door_->options().name, (*schema_)[i].name,
                                 chunk.data[columns_[i]].GetType().ToString(), (*schema_)[i].type.ToString()),
                     "declare the column as it was, or start with a new state directory",
                     {}};
    append_rows(chunk, morsel.rows);
  }
  for (size_t i = 0; i < verdict.refused.size(); ++i) {
    const Refusal& refusal = verdict.refused[i];
    morsel.rejected.push_back({door_->origin(next_.records + refusal.index), std::move(rows.refused[i]), refusal.code,
                               refusal.reason, morsel.records_read + refusal.index});
  }
  morsel.records_read += verdict.records();
  next_ = {.number = record.number + 1,
           .records = next_.records + verdict.records(),
           .bytes = next_.bytes + static_cast<int64_t>(record.bytes.size())};
  return {};
}

/// Where each of our columns stands among the stored ones: a declaration may have become another since.
Result<std::vector<size_t>> HttpSource::columns_of(const std::vector<std::string>& names) const {
  std::vector<size_t> out;
  for (const Field& field : schema_->fields()) {
    size_t column = 0;
    while (column < names.size() && !same_name(names[column], field.name)) ++column;
    if (column == names.size() && !field.nullable)
      return Error{
          Code::state_mismatch,
          Blame::user,
          Retry::never,
          fmt::format("the log of source '{}' was written without column '{}'", door_->options().name, field.name),
          "let the column be NULL, take it out of the declaration, or start with a new state directory",
          {}};
    out.push_back(column == names.size() ? not_stored : column);
  }
  return out;
}

void HttpSource::append_rows(DataChunk& chunk, std::vector<Batch>& out) const {
  DataChunk ours;
  ours.InitializeEmpty(schema_->types());
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (columns_[i] != not_stored) {
      ours.data[i].Reference(chunk.data[columns_[i]]);
      continue;
    }
    ours.data[i].Reference(duckdb::Value((*schema_)[i].type));
    ours.data[i].Flatten(chunk.size());
  }
  ours.SetCardinality(chunk.size());

  auto last_is_done = [&] { return out.empty() || out.back().rows() >= rows_enough; };
  if (static_cast<int64_t>(ours.size()) >= rows_enough && last_is_done()) {
    Batch batch;
    batch.schema = schema_;
    batch.chunk.InitializeEmpty(schema_->types());
    batch.chunk.Reference(ours);
    out.push_back(std::move(batch));
    return;
  }
  for (duckdb::idx_t done = 0; done < ours.size();) {
    if (last_is_done()) out.push_back(Batch::make(schema_));
    DataChunk& target = out.back().chunk;
    duckdb::idx_t count = std::min<duckdb::idx_t>(ours.size() - done, rows_per_batch - target.size());
    duckdb::SelectionVector rows(done, count);
    target.Append(ours, false, &rows, count);
    done += count;
  }
}

std::shared_ptr<HttpDoor> door_of(Source& source) {
  auto* http = dynamic_cast<HttpSource*>(&source);
  return http ? http->door() : nullptr;
}

const ConnectorSpec http_connector{
    .name = "http",
    .summary = "Records sent to POST /v1/sources/NAME, durable in the embedded log when answered.",
    .source_fields = http_fields,
    .sink_fields = {},
    .make_source = &HttpSource::make_http,
    .past = &HttpSource::past};
const ConnectorSpec log_connector{
    .name = "log",
    .summary = "A named log fed through POST /v1/sources/NAME, kept for a time and readable from its beginning.",
    .source_fields = log_fields,
    .sink_fields = {},
    .make_source = &HttpSource::make_log,
    .past = &HttpSource::past};

}  // namespace headrace
