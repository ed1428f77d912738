#include "duck/fold.h"

#include <duckdb/execution/expression_executor.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/logical_operator_visitor.hpp>

namespace headrace {

void fold_constants(duckdb::LogicalOperator& plan, duckdb::ClientContext& context) {
  using duckdb::Expression;
  for (auto& child : plan.children) fold_constants(*child, context);
  const bool all = plan.type == duckdb::LogicalOperatorType::LOGICAL_WINDOW ||
                   plan.type == duckdb::LogicalOperatorType::LOGICAL_EXPRESSION_GET;
  std::function<void(duckdb::unique_ptr<Expression>&)> fold = [&](duckdb::unique_ptr<Expression>& expression) {
    duckdb::Value value;
    if ((all || expression->return_type.id() == duckdb::LogicalTypeId::INTERVAL) &&
        expression->GetExpressionClass() != duckdb::ExpressionClass::BOUND_CONSTANT && expression->IsFoldable() &&
        duckdb::ExpressionExecutor::TryEvaluateScalar(context, *expression, value)) {
      expression = duckdb::make_uniq<duckdb::BoundConstantExpression>(value);
      return;
    }
    duckdb::ExpressionIterator::EnumerateChildren(*expression, fold);
  };
  duckdb::LogicalOperatorVisitor::EnumerateExpressions(
      plan, [&](duckdb::unique_ptr<Expression>* expression) { fold(*expression); });
}

}  // namespace headrace
