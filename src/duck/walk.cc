#include "duck/walk.h"

#include <duckdb/catalog/catalog_entry/table_catalog_entry.hpp>
#include <duckdb/planner/expression/bound_aggregate_expression.hpp>
#include <duckdb/planner/expression/bound_cast_expression.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_reference_expression.hpp>
#include <duckdb/planner/expression/bound_unnest_expression.hpp>
#include <duckdb/planner/expression/bound_window_expression.hpp>
#include <duckdb/planner/operator/list.hpp>

#include "duck/streaming_call.h"
#include "duck/walk_window.h"

namespace headrace {
namespace {

using duckdb::LogicalOperator;
using duckdb::LogicalOperatorType;
using Kind = BoundRelation::Kind;

Expr handle(const duckdb::Expression& expression) {
  return Expr(std::shared_ptr<const duckdb::Expression>(expression.Copy().release()));
}

std::unique_ptr<BoundRelation> relation_of(Kind kind, const LogicalOperator& op) {
  auto out = std::make_unique<BoundRelation>();
  out->kind = kind;
  for (const auto& child : op.children) out->inputs.push_back(walk_plan(*child));
  return out;
}

/// The output of an operator that only passes its input's columns on.
void copy_columns(BoundRelation& out) {
  for (const auto& input : out.inputs)
    out.columns.insert(out.columns.end(), input->columns.begin(), input->columns.end());
}

void add_scan_columns(const duckdb::LogicalGet& get, BoundRelation& out) {
  for (const duckdb::ColumnIndex& index : get.GetColumnIds()) {
    // A virtual column (row id) stands in where no column is read at all; nothing refers to it.
    size_t column = index.IsVirtualColumn() ? 0 : index.GetPrimaryIndex();
    out.scan_columns.push_back(column);
    out.columns.push_back({get.names[column], get.returned_types[column]});
  }
}

std::unique_ptr<BoundRelation> one_row() {
  auto out = std::make_unique<BoundRelation>();
  out->kind = Kind::one_row;
  out->columns = {{"", LogicalType::INTEGER}};
  return out;
}

/// A projection to plain columns.
std::unique_ptr<BoundRelation> pick(std::unique_ptr<BoundRelation> from, const std::vector<size_t>& columns) {
  auto out = std::make_unique<BoundRelation>();
  out->kind = Kind::project;
  for (size_t column : columns) {
    const BoundColumn& picked = from->columns[column];
    out->columns.push_back(picked);
    out->expressions.push_back(Expr::reference(column, picked.type, picked.name));
  }
  out->inputs.push_back(std::move(from));
  return out;
}

/// UNNEST as a table function over its input: its element, then the columns of the input that are passed on. The list
/// is the input's first column, or a constant.
std::unique_ptr<BoundRelation> walk_unnest_call(const duckdb::LogicalGet& get) {
  auto unnest = relation_of(Kind::unnest, get);
  const bool constant = get.children.empty();
  if (constant) unnest->inputs.push_back(one_row());
  const std::vector<BoundColumn> below = unnest->inputs[0]->columns;
  unnest->columns = below;
  unnest->columns.push_back({get.names[0], get.returned_types[0]});
  unnest->expressions.push_back(constant ? Expr::constant(get.parameters[0])
                                         : Expr::reference(0, below[0].type, below[0].name));
  std::vector<size_t> columns(get.GetColumnIds().size(), below.size());
  columns.insert(columns.end(), get.projected_input.begin(), get.projected_input.end());
  return pick(std::move(unnest), columns);
}

/// A value in VALUES that is no constant; nullptr where all are.
const duckdb::Expression* not_constant(const duckdb::LogicalExpressionGet& values) {
  for (const auto& row : values.expressions)
    for (const auto& value : row)
      if (value->GetExpressionClass() != duckdb::ExpressionClass::BOUND_CONSTANT) return value.get();
  return nullptr;
}

/// VALUES: its columns are lists of constants, unnested side by side.
std::unique_ptr<BoundRelation> walk_values(const duckdb::LogicalExpressionGet& values) {
  auto unnest = std::make_unique<BoundRelation>();
  unnest->inputs.push_back(one_row());
  copy_columns(*unnest);
  if (const duckdb::Expression* other = not_constant(values)) {
    unnest->relation = "VALUES with " + other->ToString() + ", which is no constant,";
    return unnest;
  }
  unnest->kind = Kind::unnest;
  std::vector<size_t> columns;
  for (size_t column = 0; column < values.expr_types.size(); ++column) {
    duckdb::vector<duckdb::Value> items;
    for (const auto& row : values.expressions)
      items.push_back(row[column]->Cast<duckdb::BoundConstantExpression>().value);
    columns.push_back(unnest->columns.size());
    unnest->columns.push_back({"col" + std::to_string(column), values.expr_types[column]});
    unnest->expressions.push_back(Expr::constant(duckdb::Value::LIST(values.expr_types[column], std::move(items))));
  }
  return pick(std::move(unnest), columns);
}

std::unique_ptr<BoundRelation> walk_get(const duckdb::LogicalGet& get) {
  if (get.function.name == "unnest" && (get.children.size() == 1 || get.parameters.size() == 1) &&
      get.returned_types.size() == 1)
    return walk_unnest_call(get);
  auto call = dynamic_cast<const StreamingCallData*>(get.bind_data.get());
  auto out = relation_of(Kind::unsupported, get);
  if (call != nullptr && call->call.kind == StreamingCall::Kind::late) {
    out->kind = Kind::late;
    out->relation = call->call.relation;
  } else if (call != nullptr && call->call.match) {
    out->kind = Kind::match;
    out->relation = "headrace_match";
    out->match = call->call.match;
    out->aggregates = call->call.match_calls;
  } else if (call != nullptr && call->call.kind == StreamingCall::Kind::process) {
    out->kind = Kind::process;
    out->relation = call->call.function;
    out->session_keys = call->call.session_keys;
  } else if (call != nullptr && call->call.kind == StreamingCall::Kind::table && out->inputs.empty()) {
    out->relation = call->call.function + " without a row that it reads";
  } else if (call != nullptr && call->call.kind == StreamingCall::Kind::table) {
    out->kind = Kind::table_function;
    out->relation = call->call.function;
    for (size_t i = 0; i < call->table->arguments.size(); ++i) {
      const BoundColumn& given = out->inputs[0]->columns[i];
      duckdb::unique_ptr<duckdb::Expression> argument =
          duckdb::make_uniq<duckdb::BoundReferenceExpression>(given.name, given.type, i);
      out->expressions.push_back(
          handle(*duckdb::BoundCastExpression::AddDefaultCastToType(std::move(argument), call->table->arguments[i])));
    }
    out->passed_on.assign(get.projected_input.begin(), get.projected_input.end());
  } else if (call != nullptr) {
    out->kind = Kind::window;
    out->window = call->call.window;
    out->time_column = call->call.time_column;
    out->window_ms = call->call.window_ms;
    out->session_keys = call->call.session_keys;
  } else if (auto table = get.GetTable()) {
    out->kind = Kind::scan;
    out->relation = table->name;
  } else {
    out->relation = "table function " + get.function.name;
  }
  add_scan_columns(get, *out);
  for (size_t column : out->passed_on) out->columns.push_back(out->inputs[0]->columns[column]);
  return out;
}

/// DuckDB takes the value of a scalar sub-query by FIRST, and complains of more in a projection above.
bool complains_of_many(const duckdb::Expression& expression) {
  return expression.ToString().find("\"error\"('More than one row returned by a subquery") != std::string::npos;
}

std::unique_ptr<BoundRelation> walk_projection(const LogicalOperator& op) {
  auto out = relation_of(Kind::project, op);
  for (const auto& expression : op.expressions) {
    out->expressions.push_back(handle(*expression));
    out->columns.push_back({expression->GetName(), expression->return_type});
    if (out->inputs[0]->kind != Kind::aggregate || !complains_of_many(*expression)) continue;
    for (AggregateCall& call : out->inputs[0]->aggregates)
      if (call.function == "first") call.function = only_value;
  }
  return out;
}

std::unique_ptr<BoundRelation> walk_filter(const LogicalOperator& op) {
  auto out = relation_of(Kind::filter, op);
  for (const auto& expression : op.expressions) out->expressions.push_back(handle(*expression));
  copy_columns(*out);
  return out;
}

std::unique_ptr<BoundRelation> walk_aggregate(const duckdb::LogicalAggregate& op) {
  auto out = relation_of(Kind::aggregate, op);
  for (const auto& group : op.groups) {
    out->expressions.push_back(handle(*group));
    out->columns.push_back({group->GetName(), group->return_type});
  }
  for (const auto& expression : op.expressions) {
    out->aggregates.push_back(call_of(expression->Cast<duckdb::BoundAggregateExpression>()));
    out->columns.push_back({expression->GetName(), expression->return_type});
  }
  if (op.grouping_sets.size() > 1 || !op.grouping_functions.empty())
    for (const duckdb::GroupingSet& set : op.grouping_sets) out->grouping_sets.emplace_back(set.begin(), set.end());
  for (const auto& arguments : op.grouping_functions) {
    out->grouping_functions.emplace_back(arguments.begin(), arguments.end());
    out->columns.push_back({"grouping", LogicalType::BIGINT});
  }
  return out;
}

std::unique_ptr<BoundRelation> walk_window(const duckdb::LogicalWindow& op) {
  auto out = relation_of(Kind::over, op);
  copy_columns(*out);
  for (const auto& expression : op.expressions) {
    out->calls.push_back(window_call(expression->Cast<duckdb::BoundWindowExpression>()));
    out->columns.push_back({expression->GetName(), expression->return_type});
  }
  return out;
}

std::unique_ptr<BoundRelation> walk_order(const duckdb::LogicalOrder& op) {
  auto out = relation_of(Kind::sort, op);
  copy_columns(*out);
  out->order = sort_keys(op.orders);
  return out;
}

/// LIMIT and OFFSET, with the ORDER BY below them.
std::unique_ptr<BoundRelation> walk_limit(const duckdb::LogicalLimit& op) {
  using duckdb::LimitNodeType;
  auto out = relation_of(Kind::limit, op);
  if (out->inputs[0]->kind == Kind::sort) {
    out->order = std::move(out->inputs[0]->order);
    out->inputs[0] = std::move(out->inputs[0]->inputs[0]);
  }
  copy_columns(*out);
  auto plain = [](LimitNodeType type) { return type == LimitNodeType::UNSET || type == LimitNodeType::CONSTANT_VALUE; };
  if (!plain(op.limit_val.Type()) || !plain(op.offset_val.Type())) {
    out->kind = Kind::unsupported;
    out->relation = "LIMIT or OFFSET with anything but a number";
    return out;
  }
  if (op.limit_val.Type() == LimitNodeType::CONSTANT_VALUE)
    out->limit = static_cast<int64_t>(op.limit_val.GetConstantValue());
  if (op.offset_val.Type() == LimitNodeType::CONSTANT_VALUE)
    out->offset = static_cast<int64_t>(op.offset_val.GetConstantValue());
  return out;
}

std::unique_ptr<BoundRelation> walk_distinct(const duckdb::LogicalDistinct& op) {
  auto out = relation_of(op.distinct_type == duckdb::DistinctType::DISTINCT ? Kind::distinct : Kind::distinct_on, op);
  copy_columns(*out);
  if (out->kind == Kind::distinct) return out;
  for (const auto& target : op.distinct_targets) out->expressions.push_back(handle(*target));
  if (op.order_by) out->order = sort_keys(op.order_by->orders);
  return out;
}

JoinKind join_kind(duckdb::JoinType type) {
  switch (type) {
    case duckdb::JoinType::INNER:
      return JoinKind::inner;
    case duckdb::JoinType::LEFT:
      return JoinKind::left;
    case duckdb::JoinType::RIGHT:
      return JoinKind::right;
    case duckdb::JoinType::OUTER:
      return JoinKind::full;
    case duckdb::JoinType::SEMI:
      return JoinKind::semi;
    case duckdb::JoinType::ANTI:
      return JoinKind::anti;
    case duckdb::JoinType::MARK:
      return JoinKind::mark;
    case duckdb::JoinType::SINGLE:
      return JoinKind::single;
    default:
      return JoinKind::other;
  }
}

/// What a join gives: both sides' columns, or only the left ones, and a mark.
void join_columns(BoundRelation& out) {
  const bool left_only = out.join == JoinKind::semi || out.join == JoinKind::anti || out.join == JoinKind::mark;
  for (size_t side = 0; side < (left_only ? 1 : 2); ++side)
    out.columns.insert(out.columns.end(), out.inputs[side]->columns.begin(), out.inputs[side]->columns.end());
  if (out.join == JoinKind::mark) out.columns.push_back({"mark", LogicalType::BOOLEAN});
}

/// DuckDB numbers the outer rows where the right side is computed of each of them. We need no numbers: the walk gives
/// zeros.
std::unique_ptr<BoundRelation> walk_numbered(const LogicalOperator& window) {
  auto out = std::make_unique<BoundRelation>();
  out->kind = Kind::project;
  out->inputs.push_back(walk_plan(*window.children[0]));
  out->columns = out->inputs[0]->columns;
  for (size_t i = 0; i < out->columns.size(); ++i)
    out->expressions.push_back(Expr::reference(i, out->columns[i].type, out->columns[i].name));
  out->columns.push_back({"delim_index", LogicalType::BIGINT});
  out->expressions.push_back(Expr(std::make_shared<duckdb::BoundConstantExpression>(duckdb::Value::BIGINT(0))));
  return out;
}

bool is_numbered(const LogicalOperator& op) {
  return op.type == LogicalOperatorType::LOGICAL_WINDOW && op.expressions.size() == 1 &&
         op.expressions[0]->GetAlias() == "delim_index";
}

std::unique_ptr<BoundRelation> walk_join(const duckdb::LogicalComparisonJoin& op, Kind kind) {
  auto out = std::make_unique<BoundRelation>();
  out->kind = kind;
  out->by_row = op.type == LogicalOperatorType::LOGICAL_DELIM_JOIN && is_numbered(*op.children[0]);
  out->inputs.push_back(out->by_row ? walk_numbered(*op.children[0]) : walk_plan(*op.children[0]));
  out->inputs.push_back(walk_plan(*op.children[1]));
  out->join = join_kind(op.join_type);
  for (const duckdb::JoinCondition& condition : op.conditions)
    out->conditions.push_back({handle(*condition.left), handle(*condition.right), comparison_of(condition.comparison)});
  if (op.predicate) out->residual = handle(*op.predicate);
  for (const auto& column : op.duplicate_eliminated_columns) out->delim.push_back(handle(*column));
  join_columns(*out);
  return out;
}

/// An outer join whose condition is more than comparisons: the equalities between the sides are taken out of it, the
/// rest stays.
std::unique_ptr<BoundRelation> walk_any_join(const duckdb::LogicalAnyJoin& op) {
  auto out = relation_of(Kind::join, op);
  out->join = join_kind(op.join_type);
  out->residual = handle(*op.condition);
  join_columns(*out);
  return out;
}

std::unique_ptr<BoundRelation> walk_set_operation(const LogicalOperator& op) {
  auto out = relation_of(Kind::set_operation, op);
  out->except = op.type == LogicalOperatorType::LOGICAL_EXCEPT;
  out->all = op.Cast<duckdb::LogicalSetOperation>().setop_all;
  for (size_t i = 0; i < op.types.size(); ++i) out->columns.push_back({out->inputs[0]->columns[i].name, op.types[i]});
  return out;
}

std::unique_ptr<BoundRelation> walk_unnest(const LogicalOperator& op) {
  auto out = relation_of(Kind::unnest, op);
  copy_columns(*out);
  for (const auto& expression : op.expressions) {
    const auto& unnest = expression->Cast<duckdb::BoundUnnestExpression>();
    if (unnest.child->return_type.id() != LogicalTypeId::LIST) {
      out->kind = Kind::unsupported;
      out->relation = "UNNEST of " + unnest.child->return_type.ToString();
    }
    out->expressions.push_back(handle(*unnest.child));
    out->columns.push_back({expression->GetName(), expression->return_type});
  }
  return out;
}

/// WITH: the number of the CTE stands for its name, which may be taken more than once.
std::unique_ptr<BoundRelation> walk_cte(const duckdb::LogicalMaterializedCTE& op) {
  auto out = relation_of(Kind::cte, op);
  out->relation = std::to_string(op.table_index);
  out->columns = out->inputs[1]->columns;
  return out;
}

std::unique_ptr<BoundRelation> walk_cte_ref(const duckdb::LogicalCTERef& op) {
  auto out = relation_of(Kind::cte_ref, op);
  out->relation = std::to_string(op.cte_index);
  for (size_t i = 0; i < op.chunk_types.size(); ++i) out->columns.push_back({op.bound_columns[i], op.chunk_types[i]});
  return out;
}

std::unique_ptr<BoundRelation> walk_delim_get(const duckdb::LogicalDelimGet& op) {
  auto out = relation_of(Kind::delim_get, op);
  for (const LogicalType& type : op.chunk_types) out->columns.push_back({"outer", type});
  return out;
}

}  // namespace

AggregateCall call_of(const duckdb::BoundAggregateExpression& bound) {
  AggregateCall call;
  call.function = bound.function.name;
  for (const auto& child : bound.children) call.arguments.push_back(handle(*child));
  if (bound.filter) call.filter = handle(*bound.filter);
  call.distinct = bound.IsDistinct();
  if (bound.order_bys) call.order = sort_keys(bound.order_bys->orders);
  call.type = bound.return_type;
  call.text = bound.ToString();
  call.bound = std::shared_ptr<const duckdb::Expression>(bound.Copy().release());
  return call;
}

Comparison comparison_of(duckdb::ExpressionType type) {
  switch (type) {
    case duckdb::ExpressionType::COMPARE_EQUAL:
      return Comparison::equal;
    case duckdb::ExpressionType::COMPARE_NOT_DISTINCT_FROM:
      return Comparison::not_distinct;
    case duckdb::ExpressionType::COMPARE_LESSTHAN:
      return Comparison::less;
    case duckdb::ExpressionType::COMPARE_LESSTHANOREQUALTO:
      return Comparison::less_equal;
    case duckdb::ExpressionType::COMPARE_GREATERTHAN:
      return Comparison::greater;
    case duckdb::ExpressionType::COMPARE_GREATERTHANOREQUALTO:
      return Comparison::greater_equal;
    case duckdb::ExpressionType::COMPARE_NOTEQUAL:
      return Comparison::not_equal;
    default:
      return Comparison::other;
  }
}

std::unique_ptr<BoundRelation> walk_plan(const LogicalOperator& op) {
  switch (op.type) {
    case LogicalOperatorType::LOGICAL_GET:
      return walk_get(op.Cast<duckdb::LogicalGet>());
    case LogicalOperatorType::LOGICAL_PROJECTION:
      return walk_projection(op);
    case LogicalOperatorType::LOGICAL_FILTER:
      return walk_filter(op);
    case LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY:
      return walk_aggregate(op.Cast<duckdb::LogicalAggregate>());
    case LogicalOperatorType::LOGICAL_COMPARISON_JOIN:
    case LogicalOperatorType::LOGICAL_DELIM_JOIN:
      return walk_join(op.Cast<duckdb::LogicalComparisonJoin>(), Kind::join);
    case LogicalOperatorType::LOGICAL_ASOF_JOIN:
      return walk_join(op.Cast<duckdb::LogicalComparisonJoin>(), Kind::asof_join);
    case LogicalOperatorType::LOGICAL_ANY_JOIN:
      return walk_any_join(op.Cast<duckdb::LogicalAnyJoin>());
    case LogicalOperatorType::LOGICAL_EXCEPT:
    case LogicalOperatorType::LOGICAL_INTERSECT:
      return walk_set_operation(op);
    case LogicalOperatorType::LOGICAL_UNNEST:
      return walk_unnest(op);
    case LogicalOperatorType::LOGICAL_MATERIALIZED_CTE:
      return walk_cte(op.Cast<duckdb::LogicalMaterializedCTE>());
    case LogicalOperatorType::LOGICAL_CTE_REF:
      return walk_cte_ref(op.Cast<duckdb::LogicalCTERef>());
    case LogicalOperatorType::LOGICAL_DELIM_GET:
      return walk_delim_get(op.Cast<duckdb::LogicalDelimGet>());
    case LogicalOperatorType::LOGICAL_CROSS_PRODUCT: {
      auto out = relation_of(Kind::cross, op);
      copy_columns(*out);
      return out;
    }
    case LogicalOperatorType::LOGICAL_UNION: {
      auto out = relation_of(Kind::union_all, op);
      for (size_t i = 0; i < op.types.size(); ++i)
        out->columns.push_back({out->inputs[0]->columns[i].name, op.types[i]});
      return out;
    }
    case LogicalOperatorType::LOGICAL_DISTINCT:
      return walk_distinct(op.Cast<duckdb::LogicalDistinct>());
    case LogicalOperatorType::LOGICAL_WINDOW:
      return walk_window(op.Cast<duckdb::LogicalWindow>());
    case LogicalOperatorType::LOGICAL_ORDER_BY:
      return walk_order(op.Cast<duckdb::LogicalOrder>());
    case LogicalOperatorType::LOGICAL_LIMIT:
      return walk_limit(op.Cast<duckdb::LogicalLimit>());
    case LogicalOperatorType::LOGICAL_EXPRESSION_GET:
      return walk_values(op.Cast<duckdb::LogicalExpressionGet>());
    case LogicalOperatorType::LOGICAL_DUMMY_SCAN:
      return one_row();
    default: {
      auto out = relation_of(Kind::unsupported, op);
      out->relation = duckdb::LogicalOperatorToString(op.type);
      for (const LogicalType& type : op.types) out->columns.push_back({"", type});
      return out;
    }
  }
}

}  // namespace headrace
