#include "duck/expression.h"

#include <duckdb/common/exception.hpp>
#include <duckdb/planner/expression/list.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <functional>
#include <set>

#include "base/json_text.h"

namespace headrace {
namespace {

using duckdb::Expression;
using duckdb::ExpressionClass;
using duckdb::ExpressionIterator;

void each_reference(const Expression& expression,
                    const std::function<void(const duckdb::BoundReferenceExpression&)>& visit) {
  if (expression.GetExpressionClass() == ExpressionClass::BOUND_REF)
    return visit(expression.Cast<duckdb::BoundReferenceExpression>());
  ExpressionIterator::EnumerateChildren(expression, [&](const Expression& child) { each_reference(child, visit); });
}

/// Replaces every reference by what `replace` gives.
duckdb::unique_ptr<Expression> rebuilt(const Expression& expression,
                                       const std::function<duckdb::unique_ptr<Expression>(size_t)>& replace) {
  if (expression.GetExpressionClass() == ExpressionClass::BOUND_REF)
    return replace(expression.Cast<duckdb::BoundReferenceExpression>().index);
  duckdb::unique_ptr<Expression> copy = expression.Copy();
  ExpressionIterator::EnumerateChildren(
      *copy, [&](duckdb::unique_ptr<Expression>& child) { child = rebuilt(*child, replace); });
  return copy;
}

std::string call_name(const Expression& expression) {
  switch (expression.GetExpressionClass()) {
    case ExpressionClass::BOUND_FUNCTION:
      return expression.Cast<duckdb::BoundFunctionExpression>().function.name;
    case ExpressionClass::BOUND_CAST:
      return expression.Cast<duckdb::BoundCastExpression>().try_cast ? "try_cast" : "cast";
    case ExpressionClass::BOUND_CASE:
      return "case";
    case ExpressionClass::BOUND_BETWEEN: {
      const auto& between = expression.Cast<duckdb::BoundBetweenExpression>();
      return std::string("between") + (between.lower_inclusive ? "[" : "(") + (between.upper_inclusive ? "]" : ")");
    }
    default:
      return duckdb::ExpressionTypeToString(expression.GetExpressionType());
  }
}

void append_json(std::string& out, const Expression& expression) {
  std::string type = json_string(expression.return_type.ToString());
  if (expression.GetExpressionClass() == ExpressionClass::BOUND_REF) {
    out += "{\"column\":" + std::to_string(expression.Cast<duckdb::BoundReferenceExpression>().index) +
           ",\"type\":" + type + "}";
    return;
  }
  if (expression.GetExpressionClass() == ExpressionClass::BOUND_CONSTANT) {
    const duckdb::Value& value = expression.Cast<duckdb::BoundConstantExpression>().value;
    out += "{\"constant\":" + (value.IsNull() ? std::string("null") : json_string(value.ToString())) +
           ",\"type\":" + type + "}";
    return;
  }
  out += "{\"call\":" + json_string(call_name(expression)) + ",\"arguments\":[";
  bool first = true;
  ExpressionIterator::EnumerateChildren(expression, [&](const Expression& child) {
    if (!first) out += ",";
    first = false;
    append_json(out, child);
  });
  out += "],\"type\":" + type + "}";
}

}  // namespace

Expr Expr::constant(const duckdb::Value& value) {
  return Expr(std::make_shared<duckdb::BoundConstantExpression>(value));
}

Expr Expr::reference(size_t column, const LogicalType& type, const std::string& name) {
  return Expr(std::make_shared<duckdb::BoundReferenceExpression>(name, type, column));
}

const LogicalType& Expr::type() const {
  return bound_->return_type;
}

std::optional<size_t> Expr::column() const {
  if (bound_->GetExpressionClass() != ExpressionClass::BOUND_REF) return std::nullopt;
  return bound_->Cast<duckdb::BoundReferenceExpression>().index;
}

std::vector<size_t> Expr::columns() const {
  std::set<size_t> found;
  each_reference(*bound_, [&](const duckdb::BoundReferenceExpression& reference) { found.insert(reference.index); });
  return {found.begin(), found.end()};
}

void Expr::count_uses(std::vector<size_t>& uses) const {
  each_reference(*bound_, [&](const duckdb::BoundReferenceExpression& reference) { ++uses[reference.index]; });
}

bool Expr::deterministic() const {
  // Whether a row fails is no value: error(...) only counts as changing so that DuckDB does not compute it beforehand.
  std::function<bool(const Expression&)> changes = [&](const Expression& expression) {
    const bool call = expression.GetExpressionClass() == ExpressionClass::BOUND_FUNCTION;
    if (call) {
      const auto& function = expression.Cast<duckdb::BoundFunctionExpression>().function;
      if (function.name != "error" && function.GetStability() == duckdb::FunctionStability::VOLATILE) return true;
    }
    bool found = false;
    ExpressionIterator::EnumerateChildren(expression,
                                          [&](const Expression& child) { found = found || changes(child); });
    return found;
  };
  return !changes(*bound_);
}

std::vector<std::string> Expr::functions() const {
  std::set<std::string> found;
  std::function<void(const Expression&)> visit = [&](const Expression& expression) {
    if (expression.GetExpressionClass() == ExpressionClass::BOUND_FUNCTION)
      found.insert(expression.Cast<duckdb::BoundFunctionExpression>().function.name);
    ExpressionIterator::EnumerateChildren(expression, visit);
  };
  visit(*bound_);
  return {found.begin(), found.end()};
}

Expr Expr::remap(const std::vector<size_t>& places) const {
  duckdb::unique_ptr<Expression> copy = bound_->Copy();
  std::function<void(Expression&)> move = [&](Expression& expression) {
    if (expression.GetExpressionClass() == ExpressionClass::BOUND_REF) {
      auto& reference = expression.Cast<duckdb::BoundReferenceExpression>();
      reference.index = places[reference.index];
    }
    ExpressionIterator::EnumerateChildren(expression, move);
  };
  move(*copy);
  return Expr(std::shared_ptr<const Expression>(copy.release()));
}

Expr Expr::compose(const std::vector<Expr>& inputs) const {
  auto composed = rebuilt(*bound_, [&](size_t column) { return inputs[column].bound_->Copy(); });
  return Expr(std::shared_ptr<const Expression>(composed.release()));
}

std::string Expr::text() const {
  return bound_->ToString();
}

std::string Expr::json() const {
  std::string out;
  append_json(out, *bound_);
  return out;
}

}  // namespace headrace
