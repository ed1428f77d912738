#include "connect/python/sink.h"

#include <fmt/format.h>

#include "base/file.h"
#include "base/json_text.h"
#include "codec/encoder.h"

namespace headrace {
namespace {

constexpr size_t part_bytes_max = 16 << 20;  // Of one call; it must fit the shared memory.

}  // namespace

Result<std::unique_ptr<Sink>> PythonSink::make(const SinkContext& context) {
  HEADRACE_ASSIGN(UserFunction function,
                  find_connector_function(context.functions, FunctionKind::sink, context.options->text("function")));
  return std::unique_ptr<Sink>(new PythonSink(function, context));
}

PythonSink::PythonSink(UserFunction function, const SinkContext& context)
    : function_(function),
      schema_(context.schema),
      append_only_(context.append_only),
      folder_(context.own_directory()) {}

Result<> PythonSink::open(const SinkRestore& restore) {
  HEADRACE_TRY(make_directories(folder_));
  // Whether the last commit landed only the function can know: it is told the same name again.
  HEADRACE_TRY(commit(restore.last, restore.prepared));
  HEADRACE_ASSIGN(std::vector<std::string> left, list_directory(folder_));
  for (const std::string& file : left) HEADRACE_TRY(remove_file(folder_ + "/" + file));
  return {};
}

void PythonSink::append_row(const Batch& batch, int64_t row, bool added) {
  records_ += append_only_ ? "{" : added ? R"({"_op":"+I")" : R"({"_op":"-D")";
  for (size_t column = 0; column < schema_->size(); ++column) {
    if (records_.back() != '{') records_ += ',';
    append_json_string(records_, (*schema_)[column].name);
    records_ += ':';
    append_json_value(records_, batch.chunk.data[column], row);
  }
  records_ += "}\n";
}

Result<> PythonSink::write(const Batch& batch) {
  for (int64_t row = 0; row < batch.rows(); ++row)
    for (int32_t copy = 0; copy < std::abs(batch.diff(row)); ++copy) append_row(batch, row, batch.diff(row) > 0);
  return {};
}

Result<std::string> PythonSink::prepare(const CommitIdentity& identity) {
  if (records_.empty()) return std::string();
  const std::string file = fmt::format("{}/{}-{}.ndjson", folder_, identity.generation, identity.epoch.value);
  HEADRACE_TRY(write_file_atomically(file, records_));
  records_.clear();
  return file;
}

Result<> PythonSink::commit(const CommitIdentity& identity, const std::string& prepared) {
  if (prepared.empty() || !file_exists(prepared)) return {};  // Nothing, or handed over before a crash.
  HEADRACE_ASSIGN(std::string records, read_file(prepared));
  size_t part = 0;
  for (size_t at = 0; at < records.size(); ++part) {
    size_t end = std::min(records.size(), at + part_bytes_max);
    if (end < records.size()) end = records.find('\n', end) + 1;
    const std::string name =
        fmt::format("{}/{}/{}/{}/{}", identity.lineage, identity.sink, identity.generation, identity.epoch.value, part);
    Vector done(LogicalType::BOOLEAN, 1);
    if (Result<> called =
            call_once(function_, {duckdb::Value(records.substr(at, end - at)), duckdb::Value(name)}, done);
        !called) {
      Error error = std::move(called).error();
      error.code = Code::commit_unknown;
      error.retry = Retry::later;
      return error;
    }
    at = end;
  }
  return remove_file(prepared);
}

}  // namespace headrace
