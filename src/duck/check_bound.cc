#include "duck/check_bound.h"

#include <duckdb/common/error_data.hpp>
#include <duckdb/common/exception/binder_exception.hpp>
#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/planner/expression/bound_columnref_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/logical_operator_visitor.hpp>
#include <duckdb/planner/operator/logical_get.hpp>
#include <set>

namespace headrace {
namespace {

using duckdb::Expression;
using duckdb::ExpressionClass;
using duckdb::LogicalOperator;

/// Calls body(expression) for every expression of a plan, its operators' own only.
template <class Body>
void each_expression(LogicalOperator& plan, Body body) {
  duckdb::LogicalOperatorVisitor::EnumerateExpressions(
      plan, [&](duckdb::unique_ptr<Expression>* expression) { body(**expression); });
  for (auto& child : plan.children) each_expression(*child, body);
}

using Bindings = std::set<std::pair<duckdb::idx_t, duckdb::idx_t>>;

void find_row_ids(LogicalOperator& plan, Bindings& found) {
  if (plan.type == duckdb::LogicalOperatorType::LOGICAL_GET) {
    auto& get = plan.Cast<duckdb::LogicalGet>();
    for (duckdb::idx_t i = 0; i < get.GetColumnIds().size(); ++i)
      if (get.GetColumnIds()[i].IsVirtualColumn()) found.insert({get.table_index, i});
  }
  for (auto& child : plan.children) find_row_ids(*child, found);
}

void refuse(const Expression& expression, const Bindings& row_ids) {
  if (expression.GetExpressionClass() == ExpressionClass::BOUND_COLUMN_REF) {
    const duckdb::ColumnBinding& binding = expression.Cast<duckdb::BoundColumnRefExpression>().binding;
    if (row_ids.count({binding.table_index, binding.column_index}))
      throw duckdb::BinderException(expression, "rows of a stream have no rowid; use a column that tells them apart");
  }
  duckdb::ExpressionIterator::EnumerateChildren(expression, [&](const Expression& child) { refuse(child, row_ids); });
}

void begin_to_run(const Expression& expression, duckdb::ClientContext& context) {
  switch (expression.GetExpressionClass()) {
    case ExpressionClass::BOUND_AGGREGATE:
    case ExpressionClass::BOUND_WINDOW:
    case ExpressionClass::BOUND_UNNEST:
      duckdb::ExpressionIterator::EnumerateChildren(expression,
                                                    [&](const Expression& child) { begin_to_run(child, context); });
      return;
    default:
      break;
  }
  try {
    duckdb::ExpressionExecutor executor(context, expression);
  } catch (const std::exception& failure) {
    throw duckdb::BinderException(expression, duckdb::ErrorData(failure).RawMessage());
  }
}

}  // namespace

void refuse_row_ids(LogicalOperator& plan) {
  Bindings row_ids;
  find_row_ids(plan, row_ids);
  if (!row_ids.empty()) each_expression(plan, [&](const Expression& expression) { refuse(expression, row_ids); });
}

void refuse_what_cannot_run(LogicalOperator& plan, duckdb::ClientContext& context) {
  each_expression(plan, [&](const Expression& expression) { begin_to_run(expression, context); });
}

}  // namespace headrace
