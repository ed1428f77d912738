#include "duck/conjunction.h"

#include <duckdb/planner/expression/bound_between_expression.hpp>
#include <duckdb/planner/expression/bound_cast_expression.hpp>
#include <duckdb/planner/expression/bound_comparison_expression.hpp>
#include <duckdb/planner/expression/bound_conjunction_expression.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <duckdb/planner/expression/bound_operator_expression.hpp>

#include "duck/walk.h"

namespace headrace {
namespace {

Expr handle(duckdb::unique_ptr<duckdb::Expression> expression) {
  return Expr(std::shared_ptr<const duckdb::Expression>(expression.release()));
}

}  // namespace

std::vector<Expr> conjuncts(const Expr& predicate) {
  using duckdb::ExpressionType;
  if (predicate.empty()) return {};
  // What is compared would be computed twice.
  const bool is_between = predicate.bound().GetExpressionClass() == duckdb::ExpressionClass::BOUND_BETWEEN;
  if (is_between && handle(predicate.bound().Cast<duckdb::BoundBetweenExpression>().input->Copy()).deterministic()) {
    const auto& between = predicate.bound().Cast<duckdb::BoundBetweenExpression>();
    const ExpressionType from =
        between.lower_inclusive ? ExpressionType::COMPARE_GREATERTHANOREQUALTO : ExpressionType::COMPARE_GREATERTHAN;
    const ExpressionType to =
        between.upper_inclusive ? ExpressionType::COMPARE_LESSTHANOREQUALTO : ExpressionType::COMPARE_LESSTHAN;
    return {
        handle(
            duckdb::make_uniq<duckdb::BoundComparisonExpression>(from, between.input->Copy(), between.lower->Copy())),
        handle(duckdb::make_uniq<duckdb::BoundComparisonExpression>(to, between.input->Copy(), between.upper->Copy()))};
  }
  if (predicate.bound().GetExpressionType() != duckdb::ExpressionType::CONJUNCTION_AND) return {predicate};
  std::vector<Expr> out;
  for (const auto& child : predicate.bound().Cast<duckdb::BoundConjunctionExpression>().children)
    for (const Expr& part : conjuncts(handle(child->Copy()))) out.push_back(part);
  return out;
}

Expr conjunction(const std::vector<Expr>& predicates) {
  if (predicates.empty()) return {};
  if (predicates.size() == 1) return predicates[0];
  auto all = duckdb::make_uniq<duckdb::BoundConjunctionExpression>(duckdb::ExpressionType::CONJUNCTION_AND);
  for (const Expr& predicate : predicates) all->children.push_back(predicate.bound().Copy());
  return handle(std::move(all));
}

std::optional<BoundRelation::Condition> as_comparison(const Expr& expression) {
  if (expression.bound().GetExpressionClass() != duckdb::ExpressionClass::BOUND_COMPARISON) return std::nullopt;
  const auto& comparison = expression.bound().Cast<duckdb::BoundComparisonExpression>();
  return BoundRelation::Condition{handle(comparison.left->Copy()), handle(comparison.right->Copy()),
                                  comparison_of(comparison.GetExpressionType())};
}

std::optional<int64_t> constant_integer(const Expr& expression) {
  const duckdb::Expression* inner = &expression.bound();
  while (inner->GetExpressionClass() == duckdb::ExpressionClass::BOUND_CAST && inner->return_type.IsIntegral())
    inner = inner->Cast<duckdb::BoundCastExpression>().child.get();
  if (inner->GetExpressionClass() != duckdb::ExpressionClass::BOUND_CONSTANT) return std::nullopt;
  duckdb::Value value = inner->Cast<duckdb::BoundConstantExpression>().value;
  if (value.IsNull() || !value.type().IsIntegral() || !value.DefaultTryCastAs(LogicalType::BIGINT)) return std::nullopt;
  return value.GetValue<int64_t>();
}

std::optional<std::vector<Expr>> as_call(const Expr& expression, const std::string& function) {
  if (expression.bound().GetExpressionClass() != duckdb::ExpressionClass::BOUND_FUNCTION) return std::nullopt;
  const auto& call = expression.bound().Cast<duckdb::BoundFunctionExpression>();
  if (call.function.name != function) return std::nullopt;
  std::vector<Expr> out;
  for (const auto& child : call.children) out.push_back(handle(child->Copy()));
  return out;
}

Expr comparison(const BoundRelation::Condition& condition) {
  using duckdb::ExpressionType;
  constexpr ExpressionType types[] = {ExpressionType::COMPARE_EQUAL,       ExpressionType::COMPARE_NOT_DISTINCT_FROM,
                                      ExpressionType::COMPARE_LESSTHAN,    ExpressionType::COMPARE_LESSTHANOREQUALTO,
                                      ExpressionType::COMPARE_GREATERTHAN, ExpressionType::COMPARE_GREATERTHANOREQUALTO,
                                      ExpressionType::COMPARE_NOTEQUAL};
  return handle(duckdb::make_uniq<duckdb::BoundComparisonExpression>(
      types[static_cast<int>(condition.comparison)], condition.left.bound().Copy(), condition.right.bound().Copy()));
}

bool is_equality(const BoundRelation::Condition& condition) {
  return condition.comparison == Comparison::equal || condition.comparison == Comparison::not_distinct;
}

Comparison flipped(Comparison comparison) {
  switch (comparison) {
    case Comparison::less:
      return Comparison::greater;
    case Comparison::less_equal:
      return Comparison::greater_equal;
    case Comparison::greater:
      return Comparison::less;
    case Comparison::greater_equal:
      return Comparison::less_equal;
    default:
      return comparison;
  }
}

Expr either(const Expr& a, const Expr& b) {
  return handle(duckdb::make_uniq<duckdb::BoundConjunctionExpression>(duckdb::ExpressionType::CONJUNCTION_OR,
                                                                      a.bound().Copy(), b.bound().Copy()));
}

namespace {

Expr operator_over(duckdb::ExpressionType type, const Expr& expression) {
  auto out = duckdb::make_uniq<duckdb::BoundOperatorExpression>(type, LogicalType::BOOLEAN);
  out->children.push_back(expression.bound().Copy());
  return handle(std::move(out));
}

}  // namespace

Expr is_null(const Expr& expression) {
  return operator_over(duckdb::ExpressionType::OPERATOR_IS_NULL, expression);
}

Expr is_not_null(const Expr& expression) {
  return operator_over(duckdb::ExpressionType::OPERATOR_IS_NOT_NULL, expression);
}

std::optional<Expr> negated(const Expr& expression) {
  if (expression.bound().GetExpressionType() != duckdb::ExpressionType::OPERATOR_NOT) return std::nullopt;
  return handle(expression.bound().Cast<duckdb::BoundOperatorExpression>().children[0]->Copy());
}

}  // namespace headrace
