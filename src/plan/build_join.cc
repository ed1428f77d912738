// Joins: look-ups in tables, as-of joins, and joins of streams.
#include <algorithm>
#include <functional>
#include <numeric>
#include <set>

#include "base/text.h"
#include "duck/conjunction.h"
#include "plan/join_bounds.h"
#include "plan/join_columns.h"
#include "plan/relation_builder.h"

namespace headrace {
namespace {

using Kind = BoundRelation::Kind;
using Condition = BoundRelation::Condition;

/// Which sides of a join an expression reads.
struct Reads {
  bool left = false, right = false;
};

Reads reads_of(const Expr& expression, size_t left_columns) {
  Reads out;
  for (size_t column : expression.columns()) (column < left_columns ? out.left : out.right) = true;
  return out;
}

/// The conditions of a join, sorted by what is done with them.
struct Conditions {
  std::vector<Condition> between;  ///< Comparisons of the sides, each over its own columns.
  std::vector<Expr> left, right;   ///< Over one side, each over its own columns: filters below the join.
  std::vector<Expr> rest;          ///< Over left then right columns.
};

/// True when rows of a side that do not meet a condition on that side alone may be left out before the join.
bool may_filter_left(JoinKind kind) {
  return kind == JoinKind::inner || kind == JoinKind::right || kind == JoinKind::semi;
}
bool may_filter_right(JoinKind kind) {
  return kind == JoinKind::inner || kind == JoinKind::left || kind == JoinKind::semi || kind == JoinKind::anti;
}

Conditions sort_conditions(const std::vector<Expr>& parts, JoinKind kind, size_t left_columns, size_t columns) {
  Conditions out;
  std::vector<size_t> to_right(columns);
  for (size_t i = left_columns; i < columns; ++i) to_right[i] = i - left_columns;
  for (const Expr& part : parts) {
    const Reads reads = reads_of(part, left_columns);
    if (reads.left && !reads.right && may_filter_left(kind)) {
      out.left.push_back(part);
      continue;
    }
    if (reads.right && !reads.left && may_filter_right(kind)) {
      out.right.push_back(part.remap(to_right));
      continue;
    }
    std::optional<Condition> comparison = as_comparison(part);
    if (comparison) {
      const Reads l = reads_of(comparison->left, left_columns), r = reads_of(comparison->right, left_columns);
      if (l.left && !l.right && r.right && !r.left) {
        out.between.push_back({comparison->left, comparison->right.remap(to_right), comparison->comparison});
        continue;
      }
      if (l.right && !l.left && r.left && !r.right) {
        out.between.push_back({comparison->right, comparison->left.remap(to_right), flipped(comparison->comparison)});
        continue;
      }
    }
    out.rest.push_back(part);
  }
  return out;
}

/// True when a source is a table: a bounded file without event time and without changes, or constants.
bool is_table(const SourceNode& source) {
  if (source.name == one_row_name) return true;
  return source.connector == "file" && (!source.options.count("mode") || source.options.at("mode") == "bounded") &&
         !source.watermark && source.primary_key.empty() && source.output.changelog == Changelog::append;
}

/// Whether the rows that a join tells are only ever added.
bool appends(const JoinNode& node, const Output& left, const Output& right) {
  if (left.changelog != Changelog::append || right.changelog != Changelog::append) return false;
  switch (node.join) {
    case JoinKind::inner:
    case JoinKind::semi:
      return true;
    case JoinKind::left:
    case JoinKind::anti:
      return node.left.expiry.has_value();
    case JoinKind::right:
      return node.right.expiry.has_value();
    default:
      return node.left.expiry && node.right.expiry;
  }
}

/// Gives a side's columns to the join's output. A time column stays one when its rows leave the join by it: what is
/// told later than the watermark then lies at most `hold_ms` behind.
void add_columns(const Output& input, const JoinSide& side, JoinNode& node) {
  for (size_t i = 0; i < input.columns.size(); ++i) {
    Column column = input.columns[i];
    const std::optional<Promise> promise = input.promise_of(i);
    bool stays = promise && side.expiry;
    if (stays) {
      const TimeRole by = input.columns[side.expiry->column].role;
      stays = side.expiry->column == i || (is_window(column.role) && is_window(by));
    }
    if (stays && column.role != TimeRole::window_start) node.hold_ms = std::max(node.hold_ms, side.expiry->keep_ms);
    if (!stays) column.role = TimeRole::none;
    node.output.watermark = node.output.watermark || stays;
    node.output.columns.push_back(std::move(column));
  }
}

/// True when the right side's key is compared: a row of the left side has one partner at most.
bool names_key(const Output& right, const std::vector<Condition>& conditions) {
  std::set<size_t> compared;
  for (const Condition& condition : conditions)
    if (is_equality(condition) && condition.right.column()) compared.insert(*condition.right.column());
  return !right.key.empty() &&
         std::all_of(right.key.begin(), right.key.end(), [&](size_t column) { return compared.count(column) > 0; });
}

/// A scalar sub-query gives at most one row when a key of it is compared.
Result<> check_single(const Output& right, const std::vector<Condition>& conditions) {
  if (names_key(right, conditions)) return {};
  return unsupported("a correlated scalar sub-query must be an aggregate: it could give several rows",
                     "write max(...), min(...) or any_value(...) in the sub-query, or join with it");
}

/// True when a user's table function is called for values of the left side of a join.
bool calls_function(const BoundRelation& right) {
  const BoundRelation* at = &right;
  while (at->kind == BoundRelation::Kind::project || at->kind == BoundRelation::Kind::filter) at = at->inputs[0].get();
  return at->kind == BoundRelation::Kind::table_function;
}

/// True when UNNEST makes the right side of an inner join of values of the left one alone, or of constants.
bool unnests_values(const BoundRelation& join) {
  const bool inner = join.kind == Kind::cross || join.join == JoinKind::inner;
  for (const Condition& condition : join.conditions)
    if (condition.comparison != Comparison::not_distinct) return false;  // Only that the values are its own.
  bool any = false;
  const BoundRelation* at = join.inputs[1].get();
  for (; at->kind == Kind::project || at->kind == Kind::filter || at->kind == Kind::unnest; at = at->inputs[0].get())
    any = any || at->kind == Kind::unnest;
  return inner && any && (at->kind == Kind::delim_get || at->kind == Kind::one_row);
}

}  // namespace

std::optional<Input> RelationBuilder::as_table(Input input, Input stream) {
  // By value: adding nodes moves them.
  Node node = plan_[input.node];
  if (auto* source = std::get_if<SourceNode>(&node)) {
    if (!is_table(*source)) return std::nullopt;
    std::set<std::string> in_stream;
    collect_sources(plan_, stream, in_stream);
    if (in_stream.count(source->name)) return std::nullopt;
    auto known = tables_.find(source->name);
    if (known != tables_.end()) return known->second;
    source->is_static = true;
    const std::string name = source->name;
    const Location at = source->at;
    Input out = add(std::move(*source));
    base_of(plan_.nodes[out.node.value]).name = name;
    base_of(plan_.nodes[out.node.value]).at = at;
    return tables_[name] = out;
  }
  const bool by_row = std::holds_alternative<FilterNode>(node) || std::holds_alternative<ProjectNode>(node) ||
                      std::holds_alternative<UnnestNode>(node);
  if (!by_row) return std::nullopt;
  std::optional<Input> below = as_table(base_of(node).inputs[0], stream);
  if (!below) return std::nullopt;
  base_of(node).inputs = {*below};
  return std::visit([&](auto& own) { return add(std::move(own)); }, node);
}

Result<Input> RelationBuilder::build_join(const BoundRelation& relation, const std::vector<Expr>& more_conditions) {
  if (calls_function(*relation.inputs[1]) || unnests_values(relation))
    return build_by_values(relation, more_conditions);
  const size_t left_columns = relation.inputs[0]->columns.size();
  const size_t columns = left_columns + relation.inputs[1]->columns.size();
  const JoinKind kind = relation.kind == Kind::cross ? JoinKind::inner : relation.join;
  if (relation.by_row) {
    if (kind != JoinKind::inner)
      return unsupported("a LEFT JOIN with what is computed of each row is not supported", "write CROSS JOIN");
    HEADRACE_ASSIGN(Input left, build(*relation.inputs[0]));
    HEADRACE_ASSIGN(Input rows, build_by_row(*relation.inputs[1], left, relation.delim));
    return filter(rows, more_conditions);
  }
  if (kind == JoinKind::mark) return build_mark(relation, more_conditions);
  if (kind == JoinKind::other)
    return unsupported("this kind of join is not supported", "INNER, LEFT, RIGHT, FULL, SEMI and ANTI joins are");
  if (kind == JoinKind::inner) {
    // What bounds the clock by both sides is asked of the joined row.
    std::vector<Expr> joined, above;
    for (const Expr& part : more_conditions) {
      const Reads reads = reads_of(part, left_columns);
      HEADRACE_ASSIGN(const std::vector<ClockBound> bounds, clock_bounds(part));
      (reads.left == reads.right && !bounds.empty() ? above : joined).push_back(part);
    }
    if (!above.empty()) {
      HEADRACE_ASSIGN(Input rows, build_join(relation, joined));
      return filter(rows, above);
    }
  }
  std::vector<Expr> parts = more_conditions;
  for (const Expr& part : conjuncts(relation.residual)) parts.push_back(part);
  std::optional<Expr> as_of = take_time(parts);
  // Of an inner join DuckDB puts what reads the left side only, as the time does, into a filter there.
  const BoundRelation *left_relation = relation.inputs[0].get(), *right_relation = relation.inputs[1].get();
  std::vector<Expr> left_parts;
  if (!as_of && kind == JoinKind::inner && left_relation->kind == Kind::filter) {
    for (const Expr& expression : left_relation->expressions)
      for (const Expr& part : conjuncts(expression)) left_parts.push_back(part);
    as_of = take_time(left_parts);
    if (as_of)
      left_relation = left_relation->inputs[0].get();
    else
      left_parts.clear();
  }
  HEADRACE_ASSIGN(std::optional<Input> independent, without_delim(relation, parts));
  if (independent) return *independent;
  Conditions conditions = sort_conditions(parts, kind, left_columns, columns);
  conditions.between.insert(conditions.between.end(), relation.conditions.begin(), relation.conditions.end());
  if (as_of) {
    // What is asked of versions is asked of the valid one.
    std::vector<size_t> behind(columns - left_columns);
    std::iota(behind.begin(), behind.end(), left_columns);
    for (const Expr& part : std::exchange(conditions.right, {})) conditions.rest.push_back(part.remap(behind));
    if (right_relation->kind == Kind::filter) {
      for (const Expr& expression : right_relation->expressions) conditions.rest.push_back(expression.remap(behind));
      right_relation = right_relation->inputs[0].get();
    }
  }
  left_parts.insert(left_parts.end(), conditions.left.begin(), conditions.left.end());
  HEADRACE_ASSIGN(Input left, build_where(*left_relation, left_parts));
  HEADRACE_ASSIGN(Input right, as_of ? build(*right_relation) : build_right(relation, left, conditions.right));
  if (as_of) return build_temporal(left, right, kind, conditions.between, conditions.rest, *as_of);
  const Expr residual = conjunction(conditions.rest);
  if (kind == JoinKind::inner || kind == JoinKind::left)
    if (std::optional<Input> table = as_table(right, left))
      return finish_lookup(left, *table, kind, conditions.between, residual);
  // What stands left of rows that change, such as FROM t WHERE x > (SELECT avg(x) FROM u), is what is asked about: it
  // may grow from run to run.
  const bool left_may_be_table = output_of(right).changelog == Changelog::append;
  if (left_may_be_table && (kind == JoinKind::inner || kind == JoinKind::right)) {
    if (std::optional<Input> table = as_table(left, right)) {
      // The table stands left: join the other way round, then put the columns back in their order.
      const size_t right_columns = columns - left_columns;
      std::vector<size_t> swapped(columns);
      for (size_t i = 0; i < left_columns; ++i) swapped[i] = right_columns + i;
      for (size_t i = 0; i < right_columns; ++i) swapped[left_columns + i] = i;
      for (Condition& condition : conditions.between) {
        std::swap(condition.left, condition.right);
        condition.comparison = flipped(condition.comparison);
      }
      HEADRACE_ASSIGN(Input joined,
                      finish_lookup(right, *table, kind == JoinKind::right ? JoinKind::left : kind, conditions.between,
                                    residual.empty() ? residual : residual.remap(swapped)));
      return pick(joined, swapped);
    }
  }
  if (kind == JoinKind::single) {
    HEADRACE_TRY(check_single(output_of(right), conditions.between));
    return join_streams(left, right, JoinKind::left, conditions.between, conditions.rest);
  }
  return join_streams(left, right, kind, conditions.between, conditions.rest);
}

/// FROM t, LATERAL words(t.line), or UNNEST([t.a, t.b]): DuckDB does it for each distinct value and joins; we do it for
/// each row.
Result<Input> RelationBuilder::build_by_values(const BoundRelation& relation,
                                               const std::vector<Expr>& more_conditions) {
  const JoinKind kind = relation.kind == Kind::cross ? JoinKind::inner : relation.join;
  const BoundRelation& right = *relation.inputs[1];
  const bool left_join = kind == JoinKind::left && right.kind == Kind::table_function && relation.residual.empty();
  bool plain = kind == JoinKind::inner || left_join;
  for (const Condition& condition : relation.conditions)
    plain = plain && condition.comparison == Comparison::not_distinct;  // With the values it was called for.
  if (!plain)
    return unsupported("a table function in a join with a condition is not supported",
                       "write CROSS JOIN with WHERE, or LEFT JOIN LATERAL ... ON true");
  HEADRACE_ASSIGN(Input left, build(*relation.inputs[0]));
  HEADRACE_ASSIGN(Input rows, build_by_row(right, left, relation.delim, left_join));
  std::vector<Expr> parts = more_conditions;
  for (const Expr& part : conjuncts(relation.residual)) parts.push_back(part);
  return filter(rows, parts);
}

/// What is computed of each row of `left`, beside that row: `outer` are the values that delim_get stands for.
Result<Input> RelationBuilder::build_by_row(const BoundRelation& relation, Input left, const std::vector<Expr>& outer,
                                            bool keeps_all) {
  const std::vector<Column> own = output_of(left).columns;
  std::vector<Expr> columns;
  std::vector<std::string> names;
  for (size_t i = 0; i < own.size(); ++i) {
    columns.push_back(Expr::reference(i, own[i].type, own[i].name));
    names.push_back(own[i].name);
  }
  if (relation.kind == Kind::delim_get) {
    for (const Expr& value : outer) {
      columns.push_back(value);
      names.push_back(value.text());
    }
    return project(left, columns, names);
  }
  if (relation.kind == Kind::one_row) {
    columns.push_back(Expr::constant(duckdb::Value::INTEGER(0)));  // DuckDB gives it a column, which nobody reads.
    names.emplace_back();
    return project(left, columns, names);
  }
  if (relation.kind != Kind::project && relation.kind != Kind::filter && relation.kind != Kind::unnest &&
      relation.kind != Kind::table_function)
    return unsupported("a lateral sub-query may only compute, filter, UNNEST and call table functions" +
                           (relation.relation.empty() ? "" : "; this one has " + relation.relation),
                       "join with the sub-query by a key");
  HEADRACE_ASSIGN(Input below, build_by_row(*relation.inputs[0], left, outer));
  if (relation.kind == Kind::table_function) return table_function(below, own.size(), relation, keeps_all);
  std::vector<size_t> behind(relation.inputs[0]->columns.size());
  std::iota(behind.begin(), behind.end(), own.size());
  std::vector<Expr> expressions;
  for (const Expr& expression : relation.expressions) expressions.push_back(expression.remap(behind));
  if (relation.kind == Kind::filter) return filter(below, expressions);
  if (relation.kind == Kind::unnest) return unnest(below, expressions, relation);
  for (size_t i = 0; i < expressions.size(); ++i) {
    columns.push_back(expressions[i]);
    names.push_back(relation.columns[i].name);
  }
  return project(below, columns, names);
}

Result<Input> RelationBuilder::build_right(const BoundRelation& relation, Input left, const std::vector<Expr>& parts) {
  if (relation.delim.empty()) return build_where(*relation.inputs[1], parts);
  std::vector<std::string> names;
  for (const Expr& expression : relation.delim) names.push_back(expression.text());
  delim_.push_back(distinct(project(left, relation.delim, names)));
  Result<Input> right = build_where(*relation.inputs[1], parts);
  delim_.pop_back();
  return right;
}

/// An inner join with the distinct outer values, when equalities name each of them: the other side alone says the same,
/// since what stands around joins by these values once more. The outer values are then columns of that side.
Result<std::optional<Input>> RelationBuilder::without_delim(const BoundRelation& relation,
                                                            const std::vector<Expr>& parts) {
  const bool inner = relation.kind == Kind::cross || relation.join == JoinKind::inner;
  const size_t delim = relation.inputs[1]->kind == Kind::delim_get ? 1 : 0;
  if (!inner || relation.inputs[delim]->kind != Kind::delim_get) return std::optional<Input>{};
  const BoundRelation& other = *relation.inputs[1 - delim];
  const size_t other_width = other.columns.size(), delim_width = relation.inputs[delim]->columns.size();
  const size_t left_width = relation.inputs[0]->columns.size();
  const size_t other_first = delim == 1 ? 0 : left_width, delim_first = delim == 1 ? left_width : 0;
  std::vector<size_t> to_other(other_width + delim_width);
  for (size_t i = 0; i < other_width; ++i) to_other[other_first + i] = i;
  std::vector<Expr> values(delim_width), conditions;
  auto take = [&](const Expr& outer, const Expr& own, Comparison comparison) {
    if (!outer.column() || !values[*outer.column()].empty()) return false;
    values[*outer.column()] = own;
    if (comparison == Comparison::equal) conditions.push_back(is_not_null(own));
    return true;
  };
  for (const Condition& condition : relation.conditions)
    if (!is_equality(condition) || !(delim == 1 ? take(condition.right, condition.left, condition.comparison)
                                                : take(condition.left, condition.right, condition.comparison)))
      return std::optional<Input>{};
  std::vector<size_t> to_delim(other_width + delim_width);
  for (size_t i = 0; i < delim_width; ++i) to_delim[delim_first + i] = i;
  std::vector<Expr> rest;
  for (const Expr& part : parts) {
    std::optional<Condition> comparison = as_comparison(part);
    bool taken = false;
    if (comparison && is_equality(*comparison)) {
      for (auto [outer, own] :
           {std::pair{&comparison->left, &comparison->right}, std::pair{&comparison->right, &comparison->left}}) {
        const Reads o = reads_of(*outer, left_width), w = reads_of(*own, left_width);
        const bool outer_only = delim == 1 ? o.right && !o.left : o.left && !o.right;
        const bool own_only = delim == 1 ? w.left && !w.right : w.right && !w.left;
        if (taken || !outer_only || !own_only) continue;
        taken = take(outer->remap(to_delim), own->remap(to_other), comparison->comparison);
      }
    }
    if (!taken) rest.push_back(part);
  }
  if (std::any_of(values.begin(), values.end(), [](const Expr& value) { return value.empty(); }))
    return std::optional<Input>{};
  // The outer values are now expressions over the other side.
  std::vector<Expr> columns(other_width + delim_width);
  std::vector<std::string> names(columns.size());
  for (size_t i = 0; i < other_width; ++i) {
    columns[other_first + i] = Expr::reference(i, other.columns[i].type, other.columns[i].name);
    names[other_first + i] = other.columns[i].name;
  }
  for (size_t i = 0; i < delim_width; ++i) {
    columns[delim_first + i] = values[i];
    names[delim_first + i] = values[i].text();
  }
  for (const Expr& part : rest) conditions.push_back(part.compose(columns));
  HEADRACE_ASSIGN(Input input, build_where(other, conditions));
  return std::optional<Input>(project(input, columns, names));
}

/// IN, EXISTS and their negations. As conditions: a semi or an anti join. As values, or below OR: the rows for which it
/// is true, false and unknown, side by side.
Result<Input> RelationBuilder::build_mark(const BoundRelation& relation, const std::vector<Expr>& parts) {
  const size_t mark = relation.columns.size() - 1;
  std::vector<Expr> below, above;
  std::optional<bool> wanted;
  for (const Expr& part : parts) {
    const std::vector<size_t> columns = part.columns();
    if (!std::count(columns.begin(), columns.end(), mark)) {
      below.push_back(part);
      continue;
    }
    const std::optional<Expr> inverse = negated(part);
    const Expr& plain = inverse ? *inverse : part;
    if (plain.column() == mark && !wanted)
      wanted = !inverse;
    else
      above.push_back(part);
  }
  HEADRACE_ASSIGN(Input left, build_where(*relation.inputs[0], below));
  HEADRACE_ASSIGN(Input right, build_right(relation, left, {}));
  const std::vector<Expr> rest = conjuncts(relation.residual);
  // What stands above counts the mark among the columns.
  auto marked = [&](Input rows, const duckdb::Value& value) {
    std::vector<Expr> columns;
    std::vector<std::string> names;
    for (size_t i = 0; i < mark; ++i) {
      columns.push_back(Expr::reference(i, relation.columns[i].type, relation.columns[i].name));
      names.push_back(relation.columns[i].name);
    }
    columns.push_back(Expr::constant(value));
    names.push_back("mark");
    return project(rows, columns, names);
  };
  UnionNode all;
  if (wanted.value_or(true)) {
    HEADRACE_ASSIGN(Input met, join_streams(left, right, JoinKind::semi, relation.conditions, rest));
    all.inputs.push_back(marked(met, duckdb::Value::BOOLEAN(true)));
  }
  if (!wanted.value_or(false)) {
    HEADRACE_ASSIGN(Input unmet, join_streams(left, right, JoinKind::anti, relation.conditions, rest));
    HEADRACE_ASSIGN(Input known, by_unknown(unmet, right, JoinKind::anti, relation.conditions));
    all.inputs.push_back(marked(known, duckdb::Value::BOOLEAN(false)));
    if (!wanted && known.node != unmet.node) {
      HEADRACE_ASSIGN(Input unknown, by_unknown(unmet, right, JoinKind::semi, relation.conditions));
      all.inputs.push_back(marked(unknown, duckdb::Value(LogicalType::BOOLEAN)));
    }
  }
  if (all.inputs.size() == 1) return filter(all.inputs[0], above);
  all.output = union_of(all.inputs);
  return filter(add(std::move(all)), above);
}

/// Of the rows of `left` that IN has not found: those for which that is unknown (semi), or is not (anti). With a NULL
/// on the right no row is known not to be there, and a row with a NULL only where the right side is empty. Whether the
/// right side has NULLs is one more, small relation.
Result<Input> RelationBuilder::by_unknown(Input left, Input right, JoinKind kind,
                                          const std::vector<Condition>& conditions) {
  std::vector<Condition> same;
  std::vector<Expr> values{};
  std::vector<std::string> names;
  std::optional<Expr> left_unknown, right_unknown;
  for (const Condition& condition : conditions) {
    if (condition.comparison == Comparison::not_distinct) {
      same.push_back({condition.left, Expr::reference(values.size(), condition.right.type(), condition.right.text()),
                      condition.comparison});
      values.push_back(condition.right);
      names.push_back(condition.right.text());
    } else if (left_unknown) {
      return unsupported("NOT IN over several columns is not supported", "write NOT EXISTS with one condition each");
    } else {
      left_unknown = is_null(condition.left);
      right_unknown = is_null(condition.right);
    }
  }
  if (!left_unknown) return left;
  values.push_back(*right_unknown);
  names.push_back("unknown");
  const size_t left_width = output_of(left).columns.size();
  Input unknown = distinct(project(right, values, names));
  const Expr there = Expr::reference(left_width + values.size() - 1, LogicalType::BOOLEAN, "unknown");
  return join_streams(left, unknown, kind, same, {either(*left_unknown, there)});
}

Result<Input> RelationBuilder::join_streams(Input left, Input right, JoinKind kind, std::vector<Condition> conditions,
                                            const std::vector<Expr>& rest) {
  const size_t left_width = output_of(left).columns.size(), right_width = output_of(right).columns.size();
  const bool left_only = kind == JoinKind::semi || kind == JoinKind::anti;
  JoinNode node;
  node.join = kind;
  node.hold_at_end = emit_.holds_at_end();
  JoinKeys keys = split_keys(conditions, left_width, right_width);
  std::vector<Expr> residual = rest;
  residual.insert(residual.end(), keys.rest.begin(), keys.rest.end());
  node.null_safe = std::move(keys.null_safe);
  left = with_columns(left, keys.left, node.left.keys);
  right = with_columns(right, keys.right, node.right.keys);
  const Output l = output_of(left), r = output_of(right);
  bound_join(conditions, l, r, node.left, node.right);
  node.inputs = {left, right};
  node.output.deterministic = l.deterministic && r.deterministic;
  add_columns(l, node.left, node);
  if (!left_only) add_columns(r, node.right, node);
  node.output.changelog = appends(node, l, r) ? Changelog::append : Changelog::retract;
  // The condition was bound over the columns before key columns were added.
  std::vector<size_t> places(left_width + right_width);
  for (size_t i = 0; i < left_width; ++i) places[i] = i;
  for (size_t i = 0; i < right_width; ++i) places[left_width + i] = l.columns.size() + i;
  if (Expr all = conjunction(residual); !all.empty()) {
    if (!all.deterministic() && node.output.changelog != Changelog::append)
      return user_error(Code::nondeterministic,
                        "the condition " + all.text() + " may change its mind between a row and its retraction")
          .with_remedy("compute what it depends on in a view of its own, or leave it out");
    node.residual = all.remap(places);
  }
  if (left_only) {
    node.output.key = l.key;
    places.resize(left_width);
  } else if (!l.key.empty() && !r.key.empty()) {
    node.output.key = l.key;
    const bool one_partner = (kind == JoinKind::inner || kind == JoinKind::left) && names_key(r, conditions);
    if (!one_partner)
      for (size_t column : r.key) node.output.key.push_back(l.columns.size() + column);
  }
  return pick(add(std::move(node)), places);
}

Result<Input> RelationBuilder::finish_lookup(Input left, Input right, JoinKind kind, std::vector<Condition> conditions,
                                             Expr residual) {
  const size_t left_width = output_of(left).columns.size(), right_width = output_of(right).columns.size();
  LookupJoinNode node;
  node.join = kind;
  JoinKeys keys = split_keys(conditions, left_width, right_width);
  std::vector<Expr> rest = conjuncts(residual);
  rest.insert(rest.end(), keys.rest.begin(), keys.rest.end());
  residual = conjunction(rest);
  node.null_safe = std::move(keys.null_safe);
  left = with_columns(left, keys.left, node.left_keys);
  right = with_columns(right, keys.right, node.right_keys);
  const Output& l = output_of(left);
  const Output& r = output_of(right);
  node.inputs = {left, right};
  node.output = l;
  if (node.output.changelog == Changelog::upsert) node.output.changelog = Changelog::retract;
  node.output.key.clear();
  // The condition was bound over the columns before key columns were added.
  const std::vector<size_t> places = put_beside(node.output, r, left_width, right_width);
  if (!residual.empty()) node.residual = residual.remap(places);
  Input joined = add(std::move(node));
  return pick(joined, places);
}

Result<Input> RelationBuilder::build_asof(const BoundRelation& relation) {
  HEADRACE_ASSIGN(Input left, build(*relation.inputs[0]));
  HEADRACE_ASSIGN(Input right, build(*relation.inputs[1]));
  if (relation.join != JoinKind::inner && relation.join != JoinKind::left)
    return unsupported("an ASOF JOIN is INNER or LEFT", "swap its sides");
  std::optional<Input> table = as_table(right, left);
  return finish_asof(left, table ? *table : right, relation.join, relation.conditions, table.has_value());
}

Result<Input> RelationBuilder::finish_asof(Input left, Input right, JoinKind kind, std::vector<Condition> conditions,
                                           bool table) {
  const size_t left_width = output_of(left).columns.size(), right_width = output_of(right).columns.size();
  AsofJoinNode node;
  node.join = kind;
  node.table = table;
  std::vector<Expr> left_keys, right_keys;
  std::optional<Condition> order;
  for (const Condition& condition : conditions) {
    if (condition.comparison == Comparison::equal) {
      left_keys.push_back(condition.left);
      right_keys.push_back(condition.right);
    } else if (condition.comparison == Comparison::not_distinct) {
      return unsupported("IS NOT DISTINCT FROM in an ASOF JOIN is not supported", "compare with =");
    } else {
      order = condition;
    }
  }
  if (!order) return unsupported("an ASOF JOIN needs one inequality", "add a.time >= b.time");
  node.comparison = order->comparison;
  left_keys.push_back(order->left);
  right_keys.push_back(order->right);
  left = with_columns(left, left_keys, node.left_keys);
  right = with_columns(right, right_keys, node.right_keys);
  node.left_order = node.left_keys.back();
  node.right_order = node.right_keys.back();
  node.left_keys.pop_back();
  node.right_keys.pop_back();
  const Output& l = output_of(left);
  const Output& r = output_of(right);
  node.inputs = {left, right};
  node.output = l;
  if (!table) {
    node.output.changelog = Changelog::retract;
    node.output.watermark = false;
    for (Column& column : node.output.columns) column.role = TimeRole::none;
  }
  const std::vector<size_t> places = put_beside(node.output, r, left_width, right_width);
  Input joined = add(std::move(node));
  return pick(joined, places);
}

}  // namespace headrace
