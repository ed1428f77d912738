// FROM t, LATERAL words(t.line), and FROM Velocity(TABLE tx PARTITION BY card): users' functions among the relations.
#include <numeric>

#include "base/text.h"
#include "plan/relation_builder.h"

namespace headrace {
namespace {

void add_columns(const LogicalType& row, std::vector<Column>& columns) {
  for (const auto& [name, type] : duckdb::StructType::GetChildTypes(row)) columns.push_back({name, type});
}

}  // namespace

Result<Input> RelationBuilder::table_function(Input below, size_t first, const BoundRelation& relation,
                                              bool keeps_all) {
  TableFunctionNode node;
  node.function = functions_.at(lower_case(relation.relation));
  node.keeps_all = keeps_all;
  const FunctionDescription& function = node.function.description();
  std::vector<size_t> behind(relation.inputs[0]->columns.size());
  std::iota(behind.begin(), behind.end(), first);
  std::vector<Expr> arguments;
  for (const Expr& argument : relation.expressions) arguments.push_back(argument.remap(behind));
  below = with_columns(below, arguments, node.arguments);
  node.inputs = {below};
  node.output = output_of(below);
  if (!function.deterministic && node.output.changelog != Changelog::append)
    return user_error(Code::nondeterministic, function.name + " may give other rows for a row and for its retraction")
        .with_remedy("let it stand over an input that only adds rows, or make it deterministic");
  if (node.output.changelog != Changelog::append) node.output.changelog = Changelog::retract;
  node.output.deterministic = node.output.deterministic && function.deterministic;
  node.output.key.clear();
  std::vector<size_t> wanted(first);
  std::iota(wanted.begin(), wanted.end(), 0);
  for (size_t column : relation.scan_columns) wanted.push_back(node.output.columns.size() + column);
  for (size_t column : relation.passed_on) wanted.push_back(first + column);
  add_columns(function.result, node.output.columns);
  return pick(add(std::move(node)), wanted);
}

Result<Input> RelationBuilder::build_process(const BoundRelation& relation) {
  HEADRACE_ASSIGN(Input input, build(*relation.inputs[0]));
  ProcessNode node;
  node.inputs = {input};
  const Output& in = output_of(input);
  node.function = functions_.at(lower_case(relation.relation));
  const std::string name = node.function.description().name;
  if (in.changelog != Changelog::append)
    return user_error(Code::unsupported_sql, name + " reads an input that takes rows back")
        .with_remedy("give it rows that are only added: a source, or the closed windows of an aggregation");
  std::vector<Field> rows;
  for (const Column& column : in.columns) rows.push_back({column.name, column.type});
  HEADRACE_ASSIGN(node.function.index, node.function.host->specialize(node.function.index, rows));
  for (const std::string& key : relation.session_keys)
    for (size_t i = 0; i < in.columns.size(); ++i)
      if (same_name(in.columns[i].name, key)) node.key.push_back(i);
  node.output.deterministic = in.deterministic && node.function.description().deterministic;
  add_columns(node.function.description().result, node.output.columns);
  return pick(add(std::move(node)), relation.scan_columns);
}

}  // namespace headrace
