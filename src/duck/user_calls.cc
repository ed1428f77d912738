#include "duck/user_calls.h"

#include <duckdb/planner/expression/list.hpp>
#include <duckdb/planner/expression_iterator.hpp>

#include "duck/user_function_info.h"

namespace headrace {
namespace {

using duckdb::Expression;
using duckdb::ExpressionClass;
using duckdb::ExpressionType;

/// Whatever the row is like, all that stands in it is evaluated.
bool evaluates_all(const Expression& expression) {
  switch (expression.GetExpressionClass()) {
    case ExpressionClass::BOUND_FUNCTION:
    case ExpressionClass::BOUND_CAST:
    case ExpressionClass::BOUND_COMPARISON:
    case ExpressionClass::BOUND_BETWEEN:
      return true;
    case ExpressionClass::BOUND_OPERATOR:
      return expression.GetExpressionType() != ExpressionType::OPERATOR_COALESCE &&
             expression.GetExpressionType() != ExpressionType::OPERATOR_TRY;
    default:
      return false;
  }
}

const UserFunctionInfo* user_function(const Expression& expression) {
  if (expression.GetExpressionClass() != ExpressionClass::BOUND_FUNCTION) return nullptr;
  const auto& function = expression.Cast<duckdb::BoundFunctionExpression>().function;
  return function.HasExtraFunctionInfo() ? dynamic_cast<const UserFunctionInfo*>(&function.GetExtraFunctionInfo())
                                         : nullptr;
}

/// Innermost calls first.
void take_calls(duckdb::unique_ptr<Expression>& expression, size_t columns, std::vector<UserCall>& calls) {
  if (!evaluates_all(*expression)) return;
  duckdb::ExpressionIterator::EnumerateChildren(
      *expression, [&](duckdb::unique_ptr<Expression>& child) { take_calls(child, columns, calls); });
  const UserFunctionInfo* info = user_function(*expression);
  if (info == nullptr) return;
  UserCall call{{}, expression->return_type, info->body};
  const size_t place = columns + calls.size();
  auto result = duckdb::make_uniq<duckdb::BoundReferenceExpression>(expression->GetName(), call.result, place);
  for (auto& argument : expression->Cast<duckdb::BoundFunctionExpression>().children)
    call.arguments.emplace_back(std::shared_ptr<const Expression>(argument.release()));
  expression = std::move(result);
  calls.push_back(std::move(call));
}

}  // namespace

SplitExpressions split_user_calls(const std::vector<Expr>& expressions, size_t columns) {
  SplitExpressions out;
  for (const Expr& expression : expressions) {
    duckdb::unique_ptr<Expression> copy = expression.bound().Copy();
    take_calls(copy, columns, out.calls);
    out.rest.emplace_back(std::shared_ptr<const Expression>(copy.release()));
  }
  return out;
}

}  // namespace headrace
