#include "duck/walk_window.h"

#include <duckdb/planner/expression/list.hpp>
#include <duckdb/planner/logical_operator.hpp>

#include "base/text.h"

namespace headrace {
namespace {

using duckdb::Expression;
using duckdb::ExpressionType;
using duckdb::WindowBoundary;

Expr handle(const Expression& expression) {
  return Expr(std::shared_ptr<const Expression>(expression.Copy().release()));
}

std::string function_name(const duckdb::BoundWindowExpression& bound) {
  switch (bound.GetExpressionType()) {
    case ExpressionType::WINDOW_AGGREGATE:
      return bound.aggregate->name;
    case ExpressionType::WINDOW_RANK_DENSE:
      return "dense_rank";
    default:
      return lower_case(duckdb::ExpressionTypeToString(bound.GetExpressionType()));
  }
}

Frame::Unit unit_of(WindowBoundary boundary) {
  switch (boundary) {
    case WindowBoundary::CURRENT_ROW_ROWS:
    case WindowBoundary::EXPR_PRECEDING_ROWS:
    case WindowBoundary::EXPR_FOLLOWING_ROWS:
      return Frame::Unit::rows;
    case WindowBoundary::CURRENT_ROW_GROUPS:
    case WindowBoundary::EXPR_PRECEDING_GROUPS:
    case WindowBoundary::EXPR_FOLLOWING_GROUPS:
      return Frame::Unit::groups;
    default:
      return Frame::Unit::range;
  }
}

Frame::End end_of(WindowBoundary boundary) {
  switch (boundary) {
    case WindowBoundary::UNBOUNDED_PRECEDING:
      return Frame::End::unbounded_preceding;
    case WindowBoundary::UNBOUNDED_FOLLOWING:
      return Frame::End::unbounded_following;
    case WindowBoundary::EXPR_PRECEDING_ROWS:
    case WindowBoundary::EXPR_PRECEDING_RANGE:
    case WindowBoundary::EXPR_PRECEDING_GROUPS:
      return Frame::End::preceding;
    case WindowBoundary::EXPR_FOLLOWING_ROWS:
    case WindowBoundary::EXPR_FOLLOWING_RANGE:
    case WindowBoundary::EXPR_FOLLOWING_GROUPS:
      return Frame::End::following;
    default:
      return Frame::End::current_row;
  }
}

/// The constant of a bound, if it is one. A RANGE bound was made `order key - distance` (or +) by the binder.
const Expression* distance_of(const Expression& bound, Frame::Unit unit) {
  const Expression* at = &bound;
  if (unit == Frame::Unit::range) {
    while (at->GetExpressionClass() == duckdb::ExpressionClass::BOUND_CAST)
      at = at->Cast<duckdb::BoundCastExpression>().child.get();
    if (at->GetExpressionClass() != duckdb::ExpressionClass::BOUND_FUNCTION) return nullptr;
    const auto& children = at->Cast<duckdb::BoundFunctionExpression>().children;
    if (children.size() != 2) return nullptr;
    at = children[1].get();
  }
  return at->GetExpressionClass() == duckdb::ExpressionClass::BOUND_CONSTANT ? at : nullptr;
}

Frame::Bound frame_bound(WindowBoundary boundary, const Expression* expression) {
  Frame::Bound out;
  out.end = end_of(boundary);
  if (expression == nullptr) return out;
  const Expression* distance = distance_of(*expression, unit_of(boundary));
  if (distance == nullptr) return out;
  const duckdb::Value& value = distance->Cast<duckdb::BoundConstantExpression>().value;
  out.text = value.ToSQLString();
  if (value.IsNull()) return out;
  if (value.type().id() == LogicalTypeId::INTERVAL) {
    const duckdb::interval_t interval = duckdb::IntervalValue::Get(value);
    if (interval.months == 0) out.distance = interval.days * int64_t{86'400'000'000} + interval.micros;
  } else if (value.type().IsIntegral()) {
    out.distance = value.GetValue<int64_t>();
  }
  return out;
}

}  // namespace

std::vector<SortKey> sort_keys(const duckdb::vector<duckdb::BoundOrderByNode>& orders) {
  std::vector<SortKey> out;
  for (const duckdb::BoundOrderByNode& order : orders)
    out.push_back({handle(*order.expression), order.type == duckdb::OrderType::DESCENDING,
                   order.null_order == duckdb::OrderByNullType::NULLS_FIRST});
  return out;
}

WindowCall window_call(const duckdb::BoundWindowExpression& bound) {
  WindowCall call;
  call.function = function_name(bound);
  for (const auto& child : bound.children) call.arguments.push_back(handle(*child));
  if (bound.offset_expr) call.arguments.push_back(handle(*bound.offset_expr));
  if (bound.default_expr) call.arguments.push_back(handle(*bound.default_expr));
  if (bound.filter_expr) call.filter = handle(*bound.filter_expr);
  call.distinct = bound.distinct;
  call.ignore_nulls = bound.ignore_nulls;
  call.argument_order = sort_keys(bound.arg_orders);
  for (const auto& partition : bound.partitions) call.partition.push_back(handle(*partition));
  call.order = sort_keys(bound.orders);
  call.frame.unit = unit_of(bound.start);
  if (call.frame.unit == Frame::Unit::range) call.frame.unit = unit_of(bound.end);
  call.frame.start = frame_bound(bound.start, bound.start_expr.get());
  call.frame.stop = frame_bound(bound.end, bound.end_expr.get());
  constexpr const char* excludes[] = {"", "EXCLUDE CURRENT ROW", "EXCLUDE GROUP", "EXCLUDE TIES"};
  call.frame.exclude = excludes[static_cast<int>(bound.exclude_clause)];
  call.type = bound.return_type;
  call.text = bound.ToString();
  return call;
}

}  // namespace headrace
