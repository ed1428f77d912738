#include "duck/time_shift.h"

#include <duckdb/planner/expression/bound_cast_expression.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <duckdb/planner/expression/bound_reference_expression.hpp>

namespace headrace {
namespace {

using duckdb::Expression;
using duckdb::ExpressionClass;

bool is_timestamp(const LogicalType& type) {
  return type.id() == LogicalTypeId::TIMESTAMP || type.id() == LogicalTypeId::TIMESTAMP_TZ;
}

std::optional<int64_t> interval_us(const Expression& expression) {
  if (expression.GetExpressionClass() != ExpressionClass::BOUND_CONSTANT) return std::nullopt;
  const duckdb::Value& value = expression.Cast<duckdb::BoundConstantExpression>().value;
  if (value.type().id() != LogicalTypeId::INTERVAL || value.IsNull()) return std::nullopt;
  const auto interval = value.GetValue<duckdb::interval_t>();
  if (interval.months != 0) return std::nullopt;
  return interval.micros + interval.days * int64_t{86'400'000'000};
}

int64_t floor_ms(int64_t us) {
  return us >= 0 ? us / 1000 : -((-us + 999) / 1000);
}

struct Shifted {
  size_t column;
  int64_t us;
};

std::optional<Shifted> read(const Expression& expression) {
  if (!is_timestamp(expression.return_type)) return std::nullopt;
  switch (expression.GetExpressionClass()) {
    case ExpressionClass::BOUND_REF:
      return Shifted{expression.Cast<duckdb::BoundReferenceExpression>().index, 0};
    case ExpressionClass::BOUND_CAST: {
      const auto& cast = expression.Cast<duckdb::BoundCastExpression>();
      if (cast.child->return_type.id() != expression.return_type.id()) return std::nullopt;
      return read(*cast.child);
    }
    case ExpressionClass::BOUND_FUNCTION: {
      const auto& function = expression.Cast<duckdb::BoundFunctionExpression>();
      if (function.children.size() != 2) return std::nullopt;
      const bool plus = function.function.name == "+", minus = function.function.name == "-";
      if (!plus && !minus) return std::nullopt;
      const bool interval_first = plus && !is_timestamp(function.children[0]->return_type);
      std::optional<Shifted> base = read(*function.children[interval_first ? 1 : 0]);
      std::optional<int64_t> us = interval_us(*function.children[interval_first ? 0 : 1]);
      if (!base || !us) return std::nullopt;
      return Shifted{base->column, base->us + (minus ? -*us : *us)};
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<ShiftedColumn> as_shifted_column(const Expr& expression) {
  std::optional<Shifted> shifted = read(expression.bound());
  if (!shifted) return std::nullopt;
  return ShiftedColumn{shifted->column, floor_ms(shifted->us), -floor_ms(-shifted->us)};
}

}  // namespace headrace
