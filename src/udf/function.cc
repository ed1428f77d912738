#include "udf/function.h"

namespace headrace {
namespace {

LogicalType struct_of(const std::vector<Field>& fields) {
  duckdb::child_list_t<LogicalType> out;
  for (const Field& field : fields) out.emplace_back(field.name, field.type);
  return LogicalType::STRUCT(std::move(out));
}

}  // namespace

CallTypes call_types(const FunctionDescription& function) {
  CallTypes out;
  const bool groups = function.kind == FunctionKind::aggregate || function.kind == FunctionKind::accumulator;
  for (const Field& argument : function.arguments)
    out.arguments.push_back(groups ? LogicalType::LIST(argument.type) : argument.type);
  out.result = function.result;
  if (function.kind != FunctionKind::accumulator) return out;
  const LogicalType state = struct_of(function.state);
  out.arguments.insert(out.arguments.begin(), LogicalType::LIST(state));
  out.arguments.push_back(LogicalType::LIST(LogicalType::BOOLEAN));
  out.result = LogicalType::STRUCT({{"state", state}, {"value", function.result}});
  return out;
}

}  // namespace headrace
