#include "duck/clock_bound.h"

#include <algorithm>
#include <array>
#include <duckdb/planner/expression/bound_cast_expression.hpp>
#include <duckdb/planner/expression/bound_constant_expression.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <optional>
#include <string_view>

#include "duck/conjunction.h"

namespace headrace {
namespace {

using duckdb::Expression;
using duckdb::ExpressionClass;

constexpr int64_t day_us = 86'400'000'000;

bool is_timestamp(const LogicalType& type) {
  return type.id() == LogicalTypeId::TIMESTAMP || type.id() == LogicalTypeId::TIMESTAMP_TZ;
}
bool is_time(const LogicalType& type) {
  return is_timestamp(type) || type.id() == LogicalTypeId::DATE;
}

/// A constant length of time.
struct Length {
  int64_t us = 0;
  bool months = false;  ///< It has some: then `us` is nothing.
};

/// Of a constant interval, or a whole number of days.
std::optional<Length> length_of(const Expression& expression) {
  int64_t us = 0;
  if (expression.return_type.IsIntegral()) {
    const std::optional<int64_t> days = constant_integer(Expr(std::shared_ptr<const Expression>(expression.Copy())));
    if (!days || __builtin_mul_overflow(*days, day_us, &us)) return std::nullopt;
    return Length{us, false};
  }
  if (expression.GetExpressionClass() != ExpressionClass::BOUND_CONSTANT) return std::nullopt;
  const duckdb::Value& value = expression.Cast<duckdb::BoundConstantExpression>().value;
  if (value.type().id() != LogicalTypeId::INTERVAL || value.IsNull()) return std::nullopt;
  const auto interval = value.GetValue<duckdb::interval_t>();
  if (interval.months != 0) return Length{0, true};
  if (__builtin_mul_overflow(int64_t{interval.days}, day_us, &us) || __builtin_add_overflow(us, interval.micros, &us))
    return std::nullopt;
  return Length{us, false};
}

/// now(), rounded down to whole `granule_us`, then moved.
struct Clock {
  int64_t granule_us = 1;
  int64_t shift_us = 0;
  bool months = false;
};

std::optional<Clock> moved(std::optional<Clock> clock, const std::optional<Length>& by, bool back) {
  if (!clock || !by) return std::nullopt;
  clock->months = clock->months || by->months;
  const bool overflows = back ? __builtin_sub_overflow(clock->shift_us, by->us, &clock->shift_us)
                              : __builtin_add_overflow(clock->shift_us, by->us, &clock->shift_us);
  return overflows ? std::nullopt : clock;
}

/// Whole days, hours, minutes and seconds of UTC begin at multiples of their length.
std::optional<Clock> rounded(std::optional<Clock> clock, int64_t granule_us) {
  if (!clock || clock->shift_us != 0 || clock->months) return std::nullopt;
  clock->granule_us = std::max(clock->granule_us, granule_us);
  return clock;
}

std::optional<int64_t> unit_us(const Expression& unit) {
  if (unit.GetExpressionClass() != ExpressionClass::BOUND_CONSTANT) return std::nullopt;
  const std::string word = unit.Cast<duckdb::BoundConstantExpression>().value.ToString();
  for (const auto& [name, us] : {std::pair{"day", day_us}, std::pair{"hour", int64_t{3'600'000'000}},
                                 std::pair{"minute", int64_t{60'000'000}}, std::pair{"second", int64_t{1'000'000}}})
    if (word == name) return us;
  return std::nullopt;
}

std::optional<Clock> clock_of(const Expression& expression);

std::optional<Clock> clock_of_call(const duckdb::BoundFunctionExpression& call) {
  const std::string& name = call.function.name;
  if (call.children.empty()) {
    constexpr std::array<std::string_view, 5> moments = {"now", "get_current_timestamp", "transaction_timestamp",
                                                         "current_localtimestamp", "localtimestamp"};
    if (std::find(moments.begin(), moments.end(), name) != moments.end()) return Clock{};
    if (name == "current_date" || name == "today") return Clock{day_us};
    return std::nullopt;
  }
  if (call.children.size() != 2) return std::nullopt;
  const Expression &first = *call.children[0], &second = *call.children[1];
  if (name == "date_trunc" || name == "datetrunc") {
    const std::optional<int64_t> unit = unit_us(first);
    return unit ? rounded(clock_of(second), *unit) : std::nullopt;
  }
  if (name == "-") return moved(clock_of(first), length_of(second), true);
  if (name != "+") return std::nullopt;
  return is_time(first.return_type) ? moved(clock_of(first), length_of(second), false)
                                    : moved(clock_of(second), length_of(first), false);
}

std::optional<Clock> clock_of(const Expression& expression) {
  if (!is_time(expression.return_type)) return std::nullopt;
  switch (expression.GetExpressionClass()) {
    case ExpressionClass::BOUND_CAST: {
      const std::optional<Clock> inner = clock_of(*expression.Cast<duckdb::BoundCastExpression>().child);
      return is_timestamp(expression.return_type) ? inner : rounded(inner, day_us);  // Zones are UTC.
    }
    case ExpressionClass::BOUND_FUNCTION:
      return clock_of_call(expression.Cast<duckdb::BoundFunctionExpression>());
    default:
      return std::nullopt;
  }
}

/// time `comparison` clock
struct Bounded {
  Expr time;
  Comparison comparison = Comparison::other;
  Clock clock;
};

Expr handle(const Expression& expression) {
  return Expr(std::shared_ptr<const Expression>(expression.Copy()));
}

/// now() - time < INTERVAL '1' DAY, or time - now() < ...
std::optional<Bounded> read_distance(const Expr& distance, Comparison comparison, const Expr& constant) {
  const std::optional<Length> length = length_of(constant.bound());
  // DuckDB compares intervals with the same days as the same.
  if (const auto inner = as_call(distance, "normalized_interval"))
    return read_distance(inner->front(), comparison, constant);
  if (!length || distance.bound().GetExpressionClass() != ExpressionClass::BOUND_FUNCTION) return std::nullopt;
  const auto& call = distance.bound().Cast<duckdb::BoundFunctionExpression>();
  if (call.function.name != "-" || call.children.size() != 2) return std::nullopt;
  const Expression &first = *call.children[0], &second = *call.children[1];
  if (!is_time(first.return_type) || !is_time(second.return_type)) return std::nullopt;
  if (std::optional<Clock> clock = moved(clock_of(first), length, true))
    return Bounded{handle(second), flipped(comparison), *clock};
  if (std::optional<Clock> clock = moved(clock_of(second), length, false))
    return Bounded{handle(first), comparison, *clock};
  return std::nullopt;
}

std::optional<Bounded> read(const Expr& left, Comparison comparison, const Expr& right) {
  if (!is_time(right.type())) return read_distance(left, comparison, right);
  const std::optional<Clock> clock = clock_of(right.bound());
  return clock ? std::optional(Bounded{left, comparison, *clock}) : std::nullopt;
}

Expr as_timestamp(const Expr& time) {
  if (is_timestamp(time.type())) return time;
  auto cast = duckdb::BoundCastExpression::AddDefaultCastToType(time.bound().Copy(), LogicalType::TIMESTAMP);
  return Expr(std::shared_ptr<const Expression>(cast.release()));
}

}  // namespace

int64_t ClockBound::moment_us(int64_t time_us) const {
  // DuckDB's infinities.
  if (time_us == INT64_MAX) return INT64_MAX;
  if (time_us == -INT64_MAX) return INT64_MIN;
  int64_t moved = 0;
  if (__builtin_add_overflow(time_us, shift_us, &moved)) return shift_us > 0 ? INT64_MAX : INT64_MIN;
  const int64_t behind = ((moved % granule_us) + granule_us) % granule_us;  // Behind the last whole granule.
  if (behind != 0 && __builtin_add_overflow(moved, granule_us - behind, &moved)) return INT64_MAX;
  return moved;
}

Result<std::vector<ClockBound>> clock_bounds(const Expr& condition) {
  const std::optional<BoundRelation::Condition> sides = as_comparison(condition);
  if (!sides) return std::vector<ClockBound>();
  std::optional<Bounded> found = read(sides->left, sides->comparison, sides->right);
  if (!found) found = read(sides->right, flipped(sides->comparison), sides->left);
  if (!found || !found->time.deterministic()) return std::vector<ClockBound>();
  if (found->clock.months)
    return user_error(Code::unsupported_sql,
                      condition.text() + ": now() cannot be moved by months, which differ in length")
        .with_remedy("write days, or move the other side: ts + INTERVAL '1' MONTH > now()");
  // time > now() + shift: now() < time - shift. Both are whole microseconds.
  const int64_t same = -found->clock.shift_us, next = same + 1;
  const Expr time = as_timestamp(found->time);
  auto from = [&](int64_t shift_us) { return ClockBound{time, shift_us, found->clock.granule_us, false}; };
  auto until = [&](int64_t shift_us) { return ClockBound{time, shift_us, found->clock.granule_us, true}; };
  switch (found->comparison) {
    case Comparison::greater:
      return std::vector{until(same)};
    case Comparison::greater_equal:
      return std::vector{until(next)};
    case Comparison::less:
      return std::vector{from(next)};
    case Comparison::less_equal:
      return std::vector{from(same)};
    case Comparison::equal:
      return std::vector{from(same), until(next)};
    default:
      return std::vector<ClockBound>();
  }
}

}  // namespace headrace
