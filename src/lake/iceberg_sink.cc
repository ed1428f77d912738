#include "lake/iceberg_sink.h"

#include <fmt/format.h>
#include <simdjson.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>

#include "base/json_text.h"
#include "lake/iceberg_type.h"
#include "lake/tables_in_use.h"

namespace headrace {
namespace {

Error mismatch(const std::string& message, const std::string& remedy) {
  return Error{Code::state_mismatch, Blame::user, Retry::never, message, remedy, {}};
}

Error unreadable(const std::string& answer) {
  return Error{Code::internal, Blame::engine, Retry::never, fmt::format("the lake's steward answered '{}'", answer)};
}

std::string text_of(const std::optional<Marker>& marker) {
  return marker ? fmt::format("generation {}, epoch {}", marker->generation, marker->epoch) : "nothing";
}

bool read_field_id(simdjson::dom::element from, ParquetFieldId& field) {
  std::string_view name;
  int64_t id = 0;
  simdjson::dom::array children;
  if (from["name"].get(name) || from["id"].get(id) || from["children"].get(children)) return false;
  field.name = name;
  field.id = static_cast<int32_t>(id);
  for (simdjson::dom::element child : children)
    if (!read_field_id(child, field.children.emplace_back())) return false;
  return true;
}

Result<std::optional<Marker>> read_marker(simdjson::dom::element from, const std::string& answer) {
  if (from.is_null()) return std::optional<Marker>();
  Marker marker;
  std::string_view content;
  if (from["generation"].get(marker.generation) || from["epoch"].get(marker.epoch) || from["content"].get(content))
    return unreadable(answer);
  marker.content = content;
  return std::optional(marker);
}

/// The rows of `batch` that stand for at least `times` rows.
std::vector<uint32_t> rows_of_at_least(const Batch& batch, int32_t times) {
  std::vector<uint32_t> rows;
  for (int64_t row = 0; row < batch.rows(); ++row)
    if (batch.diff(row) >= times) rows.push_back(static_cast<uint32_t>(row));
  return rows;
}

}  // namespace

Result<std::unique_ptr<Sink>> IcebergSink::make(const SinkContext& context) {
  HEADRACE_ASSIGN(IcebergSinkOptions options, read_iceberg_options(context));
  HEADRACE_ASSIGN(std::unique_ptr<IcebergSink> sink, make(std::move(options), context));
  return std::unique_ptr<Sink>(std::move(sink));
}

Result<std::unique_ptr<IcebergSink>> IcebergSink::make(IcebergSinkOptions options, const SinkContext& context) {
  std::unique_ptr<IcebergSink> sink(
      new IcebergSink(std::move(options), context.clock ? context.clock : &system_clock()));
  HEADRACE_TRY(sink->add_columns(*context.schema));
  sink->steward_ = Steward::of(sink->options_.warehouse);
  return sink;
}

Result<> IcebergSink::add_columns(const Schema& schema) {
  for (const Field& field : schema.fields()) {
    HEADRACE_ASSIGN(IcebergType type, iceberg_type(field.name, field.type));
    columns_.push_back({field.name, type.json, field.type, type.stored});
  }
  return {};
}

Result<> IcebergSink::open(const SinkRestore& restore) {
  lineage_ = restore.last.lineage;
  sink_ = restore.last.sink;
  HEADRACE_TRY(lock(restore.last));
  HEADRACE_TRY(open_table());
  HEADRACE_TRY(resume(restore));
  HEADRACE_TRY(folder_->remove_orphans(restore.last.generation, restore.last.epoch, pending_));
  note_table_in_use(options_.table, options_.warehouse);
  last_commit_ns_ = clock_->steady_ns();
  return {};
}

/// A stopped process that wakes up could still publish files; it cannot while its successor holds the lock, nor the
/// other way round.
Result<> IcebergSink::lock(const CommitIdentity& identity) {
  lock_.reset();
  std::string folder = options_.warehouse + "/locks";
  HEADRACE_TRY(make_directories(folder));
  std::string path =
      fmt::format("{}/{}.{}.lock", folder, file_name_part(identity.lineage), file_name_part(identity.sink));
  HEADRACE_ASSIGN(File file, File::open(path, File::Mode::append));
  if (::flock(file.descriptor(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return errno_error("lock " + path, errno);
    return user_error(Code::state_locked, fmt::format("another process of this pipeline writes to {}", options_.table))
        .with_remedy("stop it first");
  }
  lock_.emplace(std::move(file));
  return {};
}

Result<> IcebergSink::open_table() {
  HEADRACE_ASSIGN(std::string answer, steward_->ask(open_request()));
  simdjson::dom::parser parser;
  simdjson::dom::element document, fields, marker;
  std::string_view folder;
  if (parser.parse(answer).get(document) || document["folder"].get(folder) || document["fields"].get(fields) ||
      document["marker"].get(marker))
    return unreadable(answer);
  HEADRACE_ASSIGN(marker_, read_marker(marker, answer));
  HEADRACE_TRY(make_directories(std::string(folder)));
  folder_.emplace(std::string(folder), lineage_, sink_);
  return make_writer(simdjson::minify(fields));
}

Result<> IcebergSink::make_writer(const std::string& fields_json) {
  simdjson::dom::parser parser;
  simdjson::dom::array fields;
  if (parser.parse(fields_json).get(fields)) return unreadable(fields_json);
  std::vector<ParquetFieldId> ids;
  for (simdjson::dom::element field : fields)
    if (!read_field_id(field, ids.emplace_back())) return unreadable(fields_json);

  std::vector<ParquetColumn> columns;
  for (const Column& column : columns_) {
    auto id = std::find_if(ids.begin(), ids.end(),
                           [&](const ParquetFieldId& field) { return same_name(field.name, column.name); });
    if (id == ids.end()) return unreadable(fields_json);
    columns.push_back({column.name, column.type, column.stored, *id});
  }
  std::vector<std::string> part_by;
  for (const PartitionPart& part : options_.partitioned_by) {
    size_t place = 0;
    while (!same_name(columns_[place].name, part.column)) ++place;  // read_iceberg_options has seen it.
    part_by.push_back(fmt::format("CAST(c{} AS {})", place, part.by_day ? "DATE" : columns_[place].stored.ToString()));
  }
  HEADRACE_ASSIGN(writer_, ParquetWriter::make(std::move(columns), std::move(part_by)));
  return {};
}

/// Brings the table to the restored checkpoint. The table says one of two things, what stood there before that epoch's
/// commit or after it; anything else is another time line, and nobody could say which rows are twice.
Result<> IcebergSink::resume(const SinkRestore& restore) {
  Prepared prepared;
  if (!restore.prepared.empty()) {
    HEADRACE_ASSIGN(prepared, Prepared::parse(restore.prepared));
    if (prepared.table != options_.table)
      return mismatch(fmt::format("sink {} wrote to table {}, and now says {}", sink_, prepared.table, options_.table),
                      "start with a new state directory, or give the sink another name");
  }
  if (marker_ && !prepared.files.empty() && *marker_ == prepared.own) return {};
  if (marker_ == prepared.predecessor) {
    if (prepared.files.empty()) return {};
    pending_ = prepared.files;
    return land(prepared);
  }
  if (marker_ && marker_->generation < restore.last.generation)
    return {};  // A declared rewind: what was committed stays, this follows it.
  return mismatch(
      fmt::format(
          "table {} was last written by {} of this pipeline, and the state directory is at {}, which follows {}",
          options_.table, text_of(marker_), text_of(Marker{restore.last.generation, restore.last.epoch.value, ""}),
          text_of(prepared.predecessor)),
      "the state directory or the table was put back to an earlier time: use the newest of both, or start with a new "
      "state directory and a "
      "new table");
}

Result<> IcebergSink::write(const Batch& batch) {
  if (batch.inserts_only()) {
    writer_->append(batch.chunk);
  } else {
    for (int64_t row = 0; row < batch.rows(); ++row)
      if (batch.diff(row) < 0) return append_only_error(sink_);
    for (int32_t times = 1;; ++times) {
      std::vector<uint32_t> rows = rows_of_at_least(batch, times);
      if (rows.empty()) break;
      writer_->append(batch.slice(rows).chunk);
    }
  }
  return writer_->bytes() >= buffer_bytes_max ? spill() : Result<>();
}

Result<> IcebergSink::spill() {
  HEADRACE_ASSIGN(std::vector<ParquetFile> files,
                  writer_->write([&](size_t) { return folder_->waiting_path(waiting_ordinal_++); }));
  std::move(files.begin(), files.end(), std::back_inserter(waiting_));
  return {};
}

Result<std::string> IcebergSink::prepare(const CommitIdentity& identity) {
  if (undecided_) HEADRACE_TRY(land(*held_));  // What this epoch follows must be known.
  HEADRACE_TRY(spill());
  if (identity.epoch != ordinal_epoch_) ordinal_ = 0, ordinal_epoch_ = identity.epoch;
  while (!waiting_.empty()) {
    ParquetFile& file = waiting_.front();
    HEADRACE_ASSIGN(file.path, folder_->publish(file.path, identity.generation, identity.epoch, ordinal_++));
    pending_.push_back(prepared_file(file));
    waiting_.erase(waiting_.begin());
  }
  Prepared prepared{options_.table, {identity.generation, identity.epoch.value, ""}, marker_, pending_};
  prepared.own.content = content_hash(prepared.files_json());
  crash_point("lake_prepared");
  return prepared.json();
}

Result<> IcebergSink::commit(const CommitIdentity&, const std::string& text) {
  HEADRACE_ASSIGN(Prepared prepared, Prepared::parse(text));
  if (prepared.files.empty() || (marker_ && *marker_ == prepared.own)) return {};
  held_ = std::move(prepared);
  bool due = clock_->steady_ns() - last_commit_ns_ >= options_.commit_interval_ms * 1'000'000;
  return due || undecided_ ? land(*held_) : Result<>();
}

Result<> IcebergSink::finish() {
  return held_ ? land(*held_) : Result<>();
}

Result<> IcebergSink::land(Prepared prepared) {
  held_ = prepared;
  undecided_ = true;
  crash_point("lake_commit_before");
  Result<std::string> answer = steward_->ask(commit_request(prepared));
  if (!answer.ok()) {
    Error error = std::move(answer).error();
    if (error.retry != Retry::never) error.code = Code::commit_unknown;
    return error;
  }
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  std::string_view result, why, remedy;
  if (parser.parse(*answer).get(document) || document["result"].get(result) || document["why"].get(why) ||
      document["remedy"].get(remedy))
    return unreadable(*answer);
  if (result == "unknown")
    return environment_error(Code::commit_unknown,
                             fmt::format("it is not known yet whether {} took a commit: {}", options_.table, why));
  undecided_ = false;
  if (result == "rejected") {
    held_.reset();
    return Error{Code::commit_rejected, Blame::user,
                 Retry::never,          fmt::format("table {} refuses a commit: {}", options_.table, why),
                 std::string(remedy),   {}};
  }
  crash_point("lake_commit_after");
  marker_ = prepared.own;
  pending_.clear();
  held_.reset();
  last_commit_ns_ = clock_->steady_ns();
  return {};
}

std::string IcebergSink::open_request() const {
  std::string columns, partition;
  for (const Column& column : columns_)
    columns += fmt::format(R"({}{{"name":{},"type":{}}})", columns.empty() ? "" : ",", json_string(column.name),
                           column.type_json);
  for (const PartitionPart& part : options_.partitioned_by)
    partition += fmt::format(R"({}{{"column":{},"transform":"{}"}})", partition.empty() ? "" : ",",
                             json_string(part.column), part.by_day ? "day" : "identity");
  return fmt::format(R"({{"do":"open","table":{},"lineage":{},"sink":{},"columns":[{}],"partition":[{}]}})",
                     json_string(options_.table), json_string(lineage_), json_string(sink_), columns, partition);
}

std::string IcebergSink::commit_request(const Prepared& prepared) const {
  return fmt::format(R"({{"do":"commit","table":{},"lineage":{},"sink":{},"own":{},"predecessor":{},"files":{}}})",
                     json_string(options_.table), json_string(lineage_), json_string(sink_), prepared.own.json(),
                     Marker::json(prepared.predecessor), prepared.files_json());
}

}  // namespace headrace
