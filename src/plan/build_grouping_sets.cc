// GROUPING SETS, ROLLUP and CUBE: one aggregation per set over one input, put together by UNION ALL.
#include <algorithm>
#include <numeric>
#include <set>

#include "plan/relation_builder.h"

namespace headrace {
namespace {

/// What GROUPING(...) gives in the rows of one set: a bit per argument, the last one lowest, set where the argument is
/// not grouped by.
int64_t grouping_of(const std::vector<size_t>& arguments, const std::vector<size_t>& set) {
  int64_t out = 0;
  for (size_t argument : arguments) out = out << 1 | (std::find(set.begin(), set.end(), argument) == set.end());
  return out;
}

/// The grouping function that tells all sets apart, if there is one.
std::optional<size_t> telling_function(const BoundRelation& relation) {
  for (size_t i = 0; i < relation.grouping_functions.size(); ++i) {
    std::set<int64_t> values;
    for (const auto& set : relation.grouping_sets) values.insert(grouping_of(relation.grouping_functions[i], set));
    if (values.size() == relation.grouping_sets.size()) return i;
  }
  return std::nullopt;
}

}  // namespace

/// A window function with the filters and projections above it once more, so that each aggregation has its own to be
/// joined with; anything else is shared.
Input RelationBuilder::copy_of_window(Input input) {
  std::vector<uint32_t> chain;
  for (uint32_t at = input.node.value;; at = base_of(plan_.nodes[at]).inputs[0].node.value) {
    const Node& node = plan_.nodes[at];
    chain.push_back(at);
    if (auto* window = std::get_if<WindowAssignNode>(&node)) {
      if (!window->late_name.empty()) return input;  // Its late rows are read: it stays as it is.
      break;
    }
    if (!std::holds_alternative<FilterNode>(node) && !std::holds_alternative<ProjectNode>(node)) return input;
  }
  Input below = base_of(plan_.nodes[chain.back()]).inputs[0];
  for (auto at = chain.rbegin(); at != chain.rend(); ++at) {
    below = std::visit(
        [&](auto copy) {
          copy.inputs = {below};
          return add(std::move(copy));
        },
        Node(plan_.nodes[*at]));
  }
  return below;
}

Result<Input> RelationBuilder::build_grouping_sets(Input input, const BoundRelation& relation) {
  const size_t groups = relation.expressions.size(), aggregates = relation.aggregates.size();
  std::vector<std::string> names;
  for (const BoundColumn& column : relation.columns) names.push_back(column.name);
  UnionNode node;
  for (size_t number = 0; number < relation.grouping_sets.size(); ++number) {
    const std::vector<size_t>& set = relation.grouping_sets[number];
    HEADRACE_ASSIGN(Input one, aggregate_by(number == 0 ? input : copy_of_window(input), relation, set));
    const Output out = output_of(one);
    auto column = [&](size_t i) { return Expr::reference(i, out.columns[i].type, out.columns[i].name); };
    std::vector<Expr> expressions;
    for (size_t group = 0; group < groups; ++group) {
      const size_t place = static_cast<size_t>(std::find(set.begin(), set.end(), group) - set.begin());
      expressions.push_back(place < set.size() ? column(place)
                                               : Expr::constant(duckdb::Value(relation.columns[group].type)));
    }
    for (size_t i = 0; i < aggregates; ++i) expressions.push_back(column(set.size() + i));
    for (const auto& arguments : relation.grouping_functions)
      expressions.push_back(Expr::constant(duckdb::Value::BIGINT(grouping_of(arguments, set))));
    node.inputs.push_back(project(one, expressions, names));
  }
  node.output = union_of(node.inputs);
  // Each set has its groups as key; together with what tells the sets apart they are the key of all. Without that, rows
  // of different sets may be equal, and the whole row names them. The columns are those that the query has, no more:
  // what stands above counts them.
  if (const std::optional<size_t> telling = telling_function(relation)) {
    node.output.key.resize(groups);
    std::iota(node.output.key.begin(), node.output.key.end(), 0);
    node.output.key.push_back(groups + aggregates + *telling);
    if (node.output.changelog != Changelog::append) node.output.changelog = Changelog::upsert;
  }
  return add(std::move(node));
}

}  // namespace headrace
