#include "udf/function.h"

namespace headrace {
namespace {

LogicalType struct_of(const std::vector<Field>& fields) {
  duckdb::child_list_t<LogicalType> out;
  for (const Field& field : fields) out.emplace_back(field.name, field.type);
  return LogicalType::STRUCT(std::move(out));
}

/// The key's columns of a process function, as they stand in its table.
void add_key(const FunctionDescription& function, std::vector<LogicalType>& out) {
  for (const std::string& key : function.key)
    if (auto column = Schema(function.rows).find(key)) out.push_back(function.rows[*column].type);
}

}  // namespace

LogicalType timers_type() {
  return LogicalType::LIST(LogicalType::STRUCT({{"at", LogicalType::BIGINT}, {"name", LogicalType::VARCHAR}}));
}

CallTypes call_types(const FunctionDescription& function) {
  CallTypes out;
  const bool groups = function.kind == FunctionKind::aggregate || function.kind == FunctionKind::accumulator;
  for (const Field& argument : function.arguments)
    out.arguments.push_back(groups ? LogicalType::LIST(argument.type) : argument.type);
  out.result = function.result;
  if (function.kind == FunctionKind::table) out.result = LogicalType::LIST(function.result);
  if (function.kind == FunctionKind::accumulator) {
    const LogicalType state = struct_of(function.state);
    out.arguments.insert(out.arguments.begin(), LogicalType::LIST(state));
    out.arguments.push_back(LogicalType::LIST(LogicalType::BOOLEAN));
    out.result = LogicalType::STRUCT({{"state", state}, {"value", function.result}});
  }
  if (function.kind == FunctionKind::process && !function.rows.empty()) {
    const LogicalType state = struct_of(function.state);
    add_key(function, out.arguments);
    for (LogicalType type : {state, timers_type(), LogicalType::LIST(struct_of(function.rows)),
                             LogicalType::LIST(LogicalType::BIGINT), LogicalType(LogicalType::BIGINT)})
      out.arguments.push_back(type);
    out.result = LogicalType::STRUCT(
        {{"state", state}, {"timers", timers_type()}, {"output", LogicalType::LIST(function.result)}});
  }
  return out;
}

}  // namespace headrace
