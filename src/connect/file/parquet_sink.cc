#include "connect/file/parquet_sink.h"

#include <fmt/format.h>

#include <charconv>

#include "base/file.h"
#include "connect/file/source.h"

namespace headrace {
namespace {

Result<int64_t> parts_of(const std::string& prepared) {
  int64_t parts = 0;
  const auto [end, error] = std::from_chars(prepared.data(), prepared.data() + prepared.size(), parts);
  if (error == std::errc() && end == prepared.data() + prepared.size()) return parts;
  return Error{Code::corrupt_state,
               Blame::environment,
               Retry::never,
               "not a prepared commit of a Parquet sink: " + prepared,
               {},
               {}};
}

Result<> make_durable(const std::string& path) {
  HEADRACE_ASSIGN(File file, File::open(path, File::Mode::read));
  return file.sync();
}

}  // namespace

ParquetSink::ParquetSink(const SinkContext& context, bool with_operation, std::unique_ptr<ParquetWriter> writer)
    : path_(path_in(context.project_directory, context.options->text("path"))),
      part_directory_(context.own_directory()),
      with_operation_(with_operation),
      writer_(std::move(writer)) {}

Result<std::unique_ptr<Sink>> ParquetSink::make(const SinkContext& context) {
  const std::string changes = context.options->text("changes");
  if (changes == "upsert") {
    return user_error(Code::bad_config, fmt::format("sink {}: format = 'parquet' does not write upserts", context.name))
        .with_remedy("use changes = 'retract', or format = 'ndjson'");
  }
  if (changes == "append" && !context.append_only) {
    return user_error(Code::changelog_mismatch,
                      fmt::format("sink {} only appends, but the result of its query changes", context.name))
        .with_remedy("set changes = 'retract', or EMIT ON WINDOW CLOSE in the query");
  }
  const bool with_operation = changes == "retract";
  std::vector<ParquetColumn> columns;
  const std::string operation = context.options->text("op_column");
  if (with_operation) {
    if (context.schema->find(operation)) {
      return user_error(
                 Code::bad_config,
                 fmt::format("the result has a column named '{}', which is also the name of the operation's field",
                             operation))
          .with_remedy("give the field another name with op_column = '...'");
    }
    columns.push_back({operation, LogicalType::VARCHAR});
  }
  for (const Field& field : context.schema->fields()) columns.push_back({field.name, field.type});
  HEADRACE_ASSIGN(std::unique_ptr<ParquetWriter> writer, ParquetWriter::make(columns));
  return std::unique_ptr<Sink>(new ParquetSink(context, with_operation, std::move(writer)));
}

std::string ParquetSink::part_path(int64_t part) const {
  return fmt::format("{}/{:08}.parquet", part_directory_, part);
}

Result<> ParquetSink::open(const SinkRestore& restore) {
  HEADRACE_TRY(make_directories(part_directory_));
  HEADRACE_TRY(make_directories(directory_of(path_)));
  if (restore.last.epoch.value > 0 && !restore.prepared.empty()) {
    HEADRACE_ASSIGN(parts_, parts_of(restore.prepared));
    return assemble(parts_);
  }
  HEADRACE_ASSIGN(const std::vector<std::string> names, list_directory(part_directory_));
  for (const std::string& name : names) HEADRACE_TRY(remove_file(part_directory_ + "/" + name));
  HEADRACE_TRY(writer_->write(part_path(0)));
  HEADRACE_TRY(make_durable(part_path(0)));
  return assemble(0);
}

Result<> ParquetSink::write(const Batch& batch) {
  if (!with_operation_) return append(batch, 0);
  // One row at a time would be exact as well; runs of one sign keep the order and the columns.
  for (int64_t row = 0; row < batch.rows();) {
    const int32_t sign = batch.diff(row) > 0 ? 1 : -1;
    std::vector<uint32_t> run;
    for (; row < batch.rows() && (batch.diff(row) > 0) == (sign > 0); ++row) run.push_back(static_cast<uint32_t>(row));
    HEADRACE_TRY(append(batch.slice(run), sign));
  }
  return {};
}

Result<> ParquetSink::append(const Batch& batch, int32_t sign) {
  std::vector<uint32_t> copies;
  for (int64_t row = 0; row < batch.rows(); ++row)
    copies.insert(copies.end(), static_cast<size_t>(std::abs(batch.diff(row))), static_cast<uint32_t>(row));
  for (size_t begin = 0; begin < copies.size(); begin += rows_per_batch) {
    const size_t end = std::min(copies.size(), begin + rows_per_batch);
    Batch rows = batch.slice(std::vector<uint32_t>(copies.begin() + static_cast<ptrdiff_t>(begin),
                                                   copies.begin() + static_cast<ptrdiff_t>(end)));
    DataChunk out;
    duckdb::vector<LogicalType> types = rows.chunk.GetTypes();
    if (with_operation_) types.insert(types.begin(), LogicalType::VARCHAR);
    out.InitializeEmpty(types);
    if (with_operation_) {
      Vector operation(duckdb::Value(sign > 0 ? "+I" : "-D"));
      out.data[0].Reference(operation);
    }
    for (size_t i = 0; i < rows.chunk.ColumnCount(); ++i) out.data[i + with_operation_].Reference(rows.chunk.data[i]);
    out.SetCardinality(rows.chunk.size());
    HEADRACE_TRY(writer_->append(out));
  }
  return {};
}

Result<std::string> ParquetSink::prepare(const CommitIdentity&) {
  if (writer_->rows() > 0) {
    HEADRACE_TRY(writer_->write(part_path(parts_ + 1)));
    HEADRACE_TRY(make_durable(part_path(parts_ + 1)));
    HEADRACE_TRY(sync_directory(part_directory_));
    ++parts_;
  }
  return fmt::format("{}", parts_);
}

Result<> ParquetSink::commit(const CommitIdentity&, const std::string& prepared) {
  HEADRACE_ASSIGN(const int64_t parts, parts_of(prepared));
  return parts == visible_ ? Result<>() : assemble(parts);
}

Result<> ParquetSink::assemble(int64_t parts) {
  std::vector<std::string> paths;
  for (int64_t part = 0; part <= parts; ++part) paths.push_back(part_path(part));
  const std::string writing = path_ + ".writing";
  HEADRACE_TRY(join_parquet(paths, writing));
  HEADRACE_TRY(make_durable(writing));
  crash_point("parquet_sink_commit");
  HEADRACE_TRY(replace_file(writing, path_));
  visible_ = parts;
  return {};
}

}  // namespace headrace
