// Event time: what a row's own clock says. Compared in whole milliseconds, rounded down (docs/reference/sql.md,
// Windows).
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace headrace {

/// Milliseconds since 1970-01-01 UTC.
struct EventTime {
  int64_t ms = 0;
  auto operator<=>(const EventTime&) const = default;

  static constexpr EventTime min() { return {std::numeric_limits<int64_t>::min()}; }
  static constexpr EventTime max() { return {std::numeric_limits<int64_t>::max()}; }
  /// Rounds toward minus infinity.
  static constexpr EventTime from_us(int64_t us) { return {us / 1000 - (us % 1000 < 0)}; }
};

}  // namespace headrace
