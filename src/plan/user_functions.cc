#include "plan/user_functions.h"

#include <numeric>

#include "base/text.h"
#include "duck/lists.h"
#include "udf/call_each.h"

namespace headrace {
namespace {

std::vector<LogicalType> types_of(const std::vector<Field>& fields) {
  std::vector<LogicalType> out;
  for (const Field& field : fields) out.push_back(field.type);
  return out;
}

std::vector<BoundColumn> columns_of(const LogicalType& row) {
  std::vector<BoundColumn> out;
  for (const auto& [name, type] : duckdb::StructType::GetChildTypes(row)) out.push_back({name, type});
  return out;
}

/// A failure of any group fails the whole: an ad-hoc query has no quarantine.
Result<> call_function(const UserFunction& function, DataChunk& values, const std::vector<uint32_t>& ends,
                       Vector& result) {
  std::optional<Error> failure;
  HEADRACE_TRY(
      call_on_lists(function, values, ends, false, result, [&](size_t, const Error& reason) { failure = reason; }));
  if (failure) return *failure;
  return {};
}

/// Adds a group's rows, in the order they stand, to a new accumulator.
Result<> call_accumulator(const UserFunction& function, DataChunk& values, const std::vector<uint32_t>& ends,
                          Vector& result) {
  const CallTypes types = call_types(function.description());
  std::vector<uint32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  DataChunk call;
  call.Initialize(duckdb::Allocator::DefaultAllocator(), {types.arguments.begin(), types.arguments.end()}, ends.size());
  make_lists(Vector(duckdb::ListType::GetChildType(types.arguments[0])), {}, std::vector<uint32_t>(ends.size()),
             call.data[0]);
  for (size_t i = 0; i < values.ColumnCount(); ++i) make_lists(values.data[i], order, ends, call.data[1 + i]);
  Vector back(duckdb::Value::BOOLEAN(false));
  make_lists(back, std::vector<uint32_t>(values.size()), ends, call.data.back());
  call.SetCardinality(ends.size());
  Vector states(types.result, ends.size());
  HEADRACE_TRY(function.call(call, states));
  result.Reference(*duckdb::StructVector::GetEntries(states)[1]);
  return {};
}

}  // namespace

UserFunctions functions_by_name(FunctionHost& host) {
  UserFunctions out;
  for (size_t i = 0; i < host.functions().size(); ++i) out[lower_case(host.functions()[i].name)] = {&host, i};
  return out;
}

SqlFunctions sql_functions(FunctionHost& host) {
  SqlFunctions out;
  for (const auto& [name, function] : functions_by_name(host)) {
    const FunctionDescription& description = function.description();
    switch (description.kind) {
      case FunctionKind::scalar:
      case FunctionKind::vectorized:
        out.scalars.push_back(
            {description.name, types_of(description.arguments), description.result, description.deterministic,
             [function = function](DataChunk& arguments, Vector& result) { return function.call(arguments, result); }});
        break;
      case FunctionKind::aggregate:
      case FunctionKind::accumulator: {
        AggregateFunctionSpec spec{
            description.name, types_of(description.arguments), {}, description.result, false, {}};
        for (const Field& argument : description.arguments) spec.takes_null.push_back(argument.nullable);
        spec.ordered = description.kind == FunctionKind::accumulator;
        spec.body = [function = function, ordered = spec.ordered](DataChunk& values, const std::vector<uint32_t>& ends,
                                                                  Vector& result) {
          return ordered ? call_accumulator(function, values, ends, result)
                         : call_function(function, values, ends, result);
        };
        out.aggregates.push_back(std::move(spec));
        break;
      }
      case FunctionKind::table:
        out.tables.push_back(
            {description.name, types_of(description.arguments), columns_of(description.result),
             [function = function](DataChunk& arguments, Vector& result) { return function.call(arguments, result); }});
        break;
      case FunctionKind::process:
        out.processes.push_back({description.name, description.key, columns_of(description.result)});
        break;
      case FunctionKind::source:
      case FunctionKind::sink:
        break;
    }
  }
  return out;
}

}  // namespace headrace
