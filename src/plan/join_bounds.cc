#include "plan/join_bounds.h"

#include "duck/time_shift.h"

namespace headrace {
namespace {

/// Of two bounds of one side the one that lets go sooner; between columns, a window's end is as good as any.
void keep_sooner(JoinSide& side, std::optional<Promise>& promise, JoinSide::Expiry expiry, const Promise& of_other) {
  if (side.expiry && (side.expiry->column != expiry.column || side.expiry->keep_ms <= expiry.keep_ms)) return;
  side.expiry = expiry;
  promise = of_other;
}

}  // namespace

void bound_join(const std::vector<BoundRelation::Condition>& conditions, const Output& left_input,
                const Output& right_input, JoinSide& left, JoinSide& right) {
  for (const BoundRelation::Condition& condition : conditions) {
    std::optional<ShiftedColumn> l = as_shifted_column(condition.left), r = as_shifted_column(condition.right);
    if (!l || !r) continue;
    const bool equal = condition.comparison == Comparison::equal || condition.comparison == Comparison::not_distinct;
    const bool left_first = condition.comparison == Comparison::less || condition.comparison == Comparison::less_equal;
    const bool right_first =
        condition.comparison == Comparison::greater || condition.comparison == Comparison::greater_equal;
    // left <= right: right time - left time >= low, so a right row waits for left rows up to its own time - low.
    if (equal || left_first) {
      const int64_t low = l->shift_low_ms - r->shift_high_ms;
      if (std::optional<Promise> promise = left_input.promise_of(l->column))
        keep_sooner(right, left.promise, {r->column, promise->lag_ms - low}, *promise);
    }
    if (equal || right_first) {
      const int64_t high = l->shift_high_ms - r->shift_low_ms;
      if (std::optional<Promise> promise = right_input.promise_of(r->column))
        keep_sooner(left, right.promise, {l->column, promise->lag_ms + high}, *promise);
    }
  }
}

}  // namespace headrace
