#include "udf/call_each.h"

#include "duck/lists.h"

namespace headrace {
namespace {

using OnFailed = std::function<void(size_t row, const Error& reason)>;

/// Rows [first, first + rows) of `arguments`, by reference.
void take_rows(DataChunk& arguments, size_t first, size_t rows, DataChunk& out) {
  out.InitializeEmpty(arguments.GetTypes());
  for (size_t i = 0; i < arguments.ColumnCount(); ++i) out.data[i].Slice(arguments.data[i], first, first + rows);
  out.SetCardinality(rows);
}

Result<> call_rows(const UserFunction& function, DataChunk& arguments, size_t first, size_t rows, Vector& result,
                   const OnFailed& on_failed) {
  DataChunk part;
  take_rows(arguments, first, rows, part);
  Vector results(result.GetType(), rows);
  Result<> done = function.call(part, results);
  if (done) {
    duckdb::VectorOperations::Copy(results, result, rows, 0, first);
    return {};
  }
  const OnError on_error = function.description().on_error;
  if (!is_failure_of_function(done.error()) || on_error == OnError::fail) return done;
  if (rows > 1) {
    HEADRACE_TRY(call_rows(function, arguments, first, rows / 2, result, on_failed));
    return call_rows(function, arguments, first + rows / 2, rows - rows / 2, result, on_failed);
  }
  duckdb::FlatVector::SetNull(result, first, true);
  if (on_error == OnError::quarantine) on_failed(first, done.error());
  return {};
}

}  // namespace

bool is_failure_of_function(const Error& error) {
  return error.code == Code::function_raised || error.code == Code::function_died ||
         error.code == Code::function_timeout || error.code == Code::function_result;
}

Result<> call_each(const UserFunction& function, DataChunk& arguments, Vector& result, const OnFailed& on_failed) {
  if (arguments.size() == 0) return {};
  Result<> done = function.call(arguments, result);
  if (done || !is_failure_of_function(done.error())) return done;
  return call_rows(function, arguments, 0, arguments.size(), result, on_failed);
}

Result<> call_on_lists(const UserFunction& function, DataChunk& values, std::vector<uint32_t> ends, bool distinct,
                       Vector& result, const OnFailed& on_failed) {
  const std::vector<uint32_t> order = sorted_in_groups(values, ends, {}, distinct);
  const CallTypes types = call_types(function.description());
  DataChunk call;
  call.Initialize(duckdb::Allocator::DefaultAllocator(), {types.arguments.begin(), types.arguments.end()}, ends.size());
  for (size_t i = 0; i < values.ColumnCount(); ++i) make_lists(values.data[i], order, ends, call.data[i]);
  call.SetCardinality(ends.size());
  return call_each(function, call, result, on_failed);
}

}  // namespace headrace
