#include "connect/file/parquet_sink.h"

#include <fmt/format.h>

#include <charconv>

#include "base/file.h"
#include "codec/encoder.h"
#include "connect/file/sink.h"
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

ParquetSink::ParquetSink(const SinkContext& context, bool with_operation, std::vector<size_t> key,
                         std::unique_ptr<ParquetWriter> writer)
    : path_(path_in(context.project_directory, context.options->text("path"))),
      part_directory_(context.own_directory()),
      with_operation_(with_operation),
      key_(std::move(key)),
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
  HEADRACE_ASSIGN(std::vector<size_t> key, key_of(context));
  HEADRACE_ASSIGN(std::unique_ptr<ParquetWriter> writer, ParquetWriter::make(columns));
  return std::unique_ptr<Sink>(new ParquetSink(context, with_operation, std::move(key), std::move(writer)));
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
  std::vector<std::string_view> told;
  if (with_operation_) told = operations_of(batch, key_);
  std::vector<uint32_t> rows;
  std::vector<std::string_view> operations;
  for (uint32_t row = 0; row < batch.rows(); ++row) {
    for (int32_t copy = 0; copy < std::abs(batch.diff(row)); ++copy) {
      rows.push_back(row);
      if (with_operation_) operations.push_back(told[row]);
      if (static_cast<int64_t>(rows.size()) < rows_per_batch) continue;
      HEADRACE_TRY(append(batch.slice(rows), operations));
      rows.clear();
      operations.clear();
    }
  }
  return rows.empty() ? Result<>() : append(batch.slice(rows), operations);
}

Result<> ParquetSink::append(const Batch& rows, const std::vector<std::string_view>& operations) {
  duckdb::vector<LogicalType> types = rows.chunk.GetTypes();
  if (with_operation_) types.insert(types.begin(), LogicalType::VARCHAR);
  DataChunk out;
  out.InitializeEmpty(types);
  Vector operation(LogicalType::VARCHAR);
  if (with_operation_) {
    auto* texts = duckdb::FlatVector::GetData<duckdb::string_t>(operation);
    for (size_t row = 0; row < operations.size(); ++row) texts[row] = duckdb::string_t(operations[row].data(), 2);
    out.data[0].Reference(operation);
  }
  for (size_t i = 0; i < rows.chunk.ColumnCount(); ++i) out.data[i + with_operation_].Reference(rows.chunk.data[i]);
  out.SetCardinality(rows.chunk.size());
  return writer_->append(out);
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
