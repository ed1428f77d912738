// Joins FOR SYSTEM_TIME AS OF: which rows are the versions of the joined table, and what the join becomes.
#include <algorithm>
#include <numeric>

#include "duck/conjunction.h"
#include "plan/join_columns.h"
#include "plan/relation_builder.h"

namespace headrace {
namespace {

using Condition = BoundRelation::Condition;

/// True when a column from `width` on is read.
bool reads_behind(const Expr& expression, size_t width) {
  const std::vector<size_t> columns = expression.columns();
  return !columns.empty() && columns.back() >= width;
}

}  // namespace

std::optional<Expr> RelationBuilder::take_time(std::vector<Expr>& conditions) {
  for (size_t i = 0; i < conditions.size(); ++i) {
    if (conditions[i].empty()) continue;
    const std::optional<std::vector<Expr>> arguments = as_call(conditions[i], "headrace_as_of");
    if (!arguments) continue;
    conditions.erase(conditions.begin() + static_cast<long>(i));
    return arguments->front();
  }
  return std::nullopt;
}

Result<> RelationBuilder::refuse_time(const std::vector<Expr>& conditions) {
  std::vector<Expr> parts = conditions;
  if (!take_time(parts)) return {};
  return unsupported("FOR SYSTEM_TIME AS OF belongs to a table on the right side of an INNER or LEFT JOIN",
                     "write ... JOIN versions FOR SYSTEM_TIME AS OF t.time AS v ON t.key = v.key");
}

/// The conditions are those between both sides, and the others over left then right columns.
Result<Input> RelationBuilder::build_temporal(Input left, Input right, JoinKind kind,
                                              const std::vector<Condition>& conditions, const std::vector<Expr>& rest,
                                              const Expr& time) {
  if (kind != JoinKind::inner && kind != JoinKind::left)
    return unsupported("a join FOR SYSTEM_TIME AS OF is INNER or LEFT",
                       "put the table with versions on the right side");
  if (time.columns().empty()) return join_present(left, right, kind, conditions, rest);
  const Output l = output_of(left);
  const std::optional<size_t> column = time.column();
  if (!column || *column >= l.columns.size() ||
      (l.columns[*column].role != TimeRole::event_time && l.columns[*column].role != TimeRole::window_time))
    return user_error(Code::bad_time_column,
                      "FOR SYSTEM_TIME AS OF " + time.text() + ": that is no event-time column of the left side")
        .with_remedy("name the column of its WATERMARK FOR, unchanged, or PROCTIME()");
  HEADRACE_ASSIGN(Versions versions, versions_of(right));
  return join_versions(left, *column, versions, kind, conditions, rest);
}

/// The input as it is, whose versions `key` names.
Input RelationBuilder::keyed(Input input, std::vector<size_t> key) {
  std::vector<size_t> all(output_of(input).columns.size());
  std::iota(all.begin(), all.end(), 0);
  const Input out = pick(input, all);
  base_of(plan_.nodes[out.node.value]).output.key = std::move(key);
  return out;
}

/// Where the versions of a relation are: the rows of an upsert source as they come, or those that a deduplication keeps
/// the last of, or, of a stream that only grows, all of them.
Result<RelationBuilder::Versions> RelationBuilder::versions_of(Input right) {
  // The projections above them, as one.
  std::vector<Expr> columns;
  std::vector<std::string> names;
  for (const Column& column : output_of(right).columns) {
    columns.push_back(Expr::reference(columns.size(), column.type, column.name));
    names.push_back(column.name);
  }
  Input below = right;
  while (auto* project = std::get_if<ProjectNode>(&plan_.nodes[below.node.value])) {
    for (Expr& column : columns) column = column.compose(project->expressions);
    below = project->inputs[0];
  }
  Versions out;
  const Node& node = plan_.nodes[below.node.value];
  if (auto* normalize = std::get_if<NormalizeNode>(&node)) {
    out.rows = normalize->inputs[0];
    out.removals_end_versions = true;
  } else if (auto* top = std::get_if<TopNNode>(&node); top && top->last_first && top->order_written == 1) {
    const size_t width = output_of(top->inputs[0]).columns.size();
    if (std::any_of(columns.begin(), columns.end(), [&](const Expr& column) { return reads_behind(column, width); }))
      return unsupported("FOR SYSTEM_TIME AS OF a deduplication: a version has no number", "select its other columns");
    out.rows = keyed(top->inputs[0], std::vector<size_t>(top->partition));
  } else if (output_of(right).changelog == Changelog::append) {
    out.rows = below;
  } else {
    return unsupported("FOR SYSTEM_TIME AS OF needs a table with versions: '" + base_of(node).name +
                           "' changes, but does not say since when",
                       "join a source with a PRIMARY KEY and a WATERMARK, and put conditions on it behind ON");
  }
  // The time and the key are needed, whether or not they are selected: they stand last.
  out.width = columns.size();
  const Output base = output_of(out.rows);
  std::vector<size_t> needed = base.key;
  if (std::optional<size_t> time = base.find_role(TimeRole::event_time)) needed.push_back(*time);
  for (size_t column : needed) {
    if (std::any_of(columns.begin(), columns.end(), [&](const Expr& other) { return other.column() == column; }))
      continue;
    columns.push_back(Expr::reference(column, base.columns[column].type, base.columns[column].name));
    names.push_back(base.columns[column].name);
  }
  out.rows = project(out.rows, columns, names);
  const Output& rows = output_of(out.rows);
  const std::optional<size_t> time = rows.find_role(TimeRole::event_time);
  if (!rows.watermark || !time)
    return user_error(Code::missing_watermark, "FOR SYSTEM_TIME AS OF needs versions with a time, which '" +
                                                   base_of(plan_.nodes[out.rows.node.value]).name + "' does not have")
        .with_remedy("declare WATERMARK FOR a column of it, and select that column; or join AS OF PROCTIME()");
  out.time = *time;
  out.key = rows.key;
  if (output_of(right).changelog != Changelog::append && out.key.empty())
    return unsupported("FOR SYSTEM_TIME AS OF needs the key of the table with versions",
                       "select the key's columns, unchanged");
  return out;
}

Result<Input> RelationBuilder::join_versions(Input left, size_t left_time, const Versions& versions, JoinKind kind,
                                             const std::vector<Condition>& conditions, std::vector<Expr> rest) {
  Input right = versions.rows;
  const size_t left_width = output_of(left).columns.size(), right_width = versions.width;
  std::vector<size_t> beside(right_width);
  std::iota(beside.begin(), beside.end(), left_width);
  TemporalJoinNode node;
  std::vector<Expr> left_keys, right_keys;
  std::vector<size_t> missing = versions.key;
  for (const Condition& condition : conditions) {
    const std::optional<size_t> column = condition.right.column();
    auto part = column ? std::find(missing.begin(), missing.end(), *column) : missing.end();
    if (!is_equality(condition) || (part == missing.end() && !versions.key.empty())) {
      rest.push_back(comparison({condition.left, condition.right.remap(beside), condition.comparison}));
      continue;
    }
    if (part != missing.end()) missing.erase(part);
    left_keys.push_back(condition.left);
    right_keys.push_back(condition.right);
    node.null_safe.push_back(condition.comparison == Comparison::not_distinct);
  }
  if (!missing.empty())
    return unsupported(
        "a join FOR SYSTEM_TIME AS OF needs an equality with each column of the versions' key; there is none with '" +
            output_of(right).columns[missing[0]].name + "'",
        "add it behind ON");
  if (left_keys.empty())
    return unsupported("a join FOR SYSTEM_TIME AS OF needs an equality between both sides", "add it behind ON");
  left = with_columns(left, left_keys, node.left_keys);
  right = with_columns(right, right_keys, node.right_keys);
  const Output& l = output_of(left);
  const Output& r = output_of(right);
  node.inputs = {left, right};
  node.join = kind;
  node.left_width = l.columns.size();
  node.left_time = left_time;
  node.right_time = versions.time;
  node.left_changes = l.changelog != Changelog::append;
  node.removals_end_versions = versions.removals_end_versions;
  node.hold_at_end = emit_.holds_at_end();
  // Each left row gives one row at most: what names it names the result.
  node.output = l;
  node.output.deterministic = l.deterministic && r.deterministic;
  const std::vector<size_t> places = put_beside(node.output, r, left_width, right_width);
  const Expr residual = conjunction(rest);
  if (!residual.empty()) node.residual = residual.remap(places);
  return pick(add(std::move(node)), places);
}

/// AS OF PROCTIME(): a look-up in what the table has when a row comes.
Result<Input> RelationBuilder::join_present(Input left, Input right, JoinKind kind,
                                            const std::vector<Condition>& conditions, std::vector<Expr> rest) {
  if (std::optional<Input> table = as_table(right, left))
    return finish_lookup(left, *table, kind, conditions, conjunction(rest));
  if (output_of(left).changelog != Changelog::append)
    return user_error(Code::nondeterministic,
                      "AS OF PROCTIME() over rows that change: a row and its retraction would meet different versions")
        .with_remedy("join AS OF an event time, or without FOR SYSTEM_TIME");
  const size_t left_width = output_of(left).columns.size(), right_width = output_of(right).columns.size();
  ProcessingTimeJoinNode node;
  JoinKeys keys = split_keys(conditions, left_width, right_width);
  rest.insert(rest.end(), keys.rest.begin(), keys.rest.end());
  node.null_safe = std::move(keys.null_safe);
  left = with_columns(left, keys.left, node.left_keys);
  right = with_columns(right, keys.right, node.right_keys);
  const Output& l = output_of(left);
  const Output& r = output_of(right);
  node.inputs = {left, right};
  node.join = kind;
  node.left_width = l.columns.size();
  node.output = l;
  node.output.key.clear();
  node.output.deterministic = false;
  const std::vector<size_t> places = put_beside(node.output, r, left_width, right_width);
  const Expr residual = conjunction(rest);
  if (!residual.empty()) node.residual = residual.remap(places);
  return pick(add(std::move(node)), places);
}

}  // namespace headrace
