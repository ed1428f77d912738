// Which windows a time belongs to. Windows are half-open [start, end) in whole milliseconds, aligned to 1970-01-01 UTC
// plus offset.
#pragma once

#include <cstdint>
#include <numeric>

#include "plan/nodes.h"

namespace headrace {

/// a / b rounded toward minus infinity, b > 0.
constexpr int64_t floor_div(int64_t a, int64_t b) {
  return a / b - (a % b < 0);
}

/// Tumbling, hopping and cumulating windows. All windows of a query are made of slices; successive windows end
/// `step_ms` apart.
struct WindowMath {
  bool cumulates;
  int64_t size_ms, step_ms, offset_ms, slice_ms;

  explicit WindowMath(const WindowSpec& spec)
      : cumulates(spec.kind == WindowKind::cumulate),
        size_ms(spec.size_ms),
        step_ms(spec.slide_ms),
        offset_ms(spec.offset_ms),
        slice_ms(std::gcd(spec.size_ms, spec.slide_ms)) {}

  /// The last multiple of `length` (plus offset) at or before `time`.
  int64_t floor_to(int64_t length, int64_t time) const {
    return floor_div(time - offset_ms, length) * length + offset_ms;
  }
  /// The start of the slice that holds `time`.
  int64_t slice_of(int64_t time) const { return floor_to(slice_ms, time); }
  /// The start of the window that ends at `end`.
  int64_t start_of(int64_t end) const { return cumulates ? floor_to(size_ms, end - 1) : end - size_ms; }
  /// End of the last window that holds `time`, or of the last one before it, when the windows leave gaps (slide >
  /// size).
  int64_t last_end(int64_t time) const { return floor_to(cumulates ? size_ms : step_ms, time) + size_ms; }
  /// End of the first window that ends after `time`: the first one that can hold it.
  int64_t first_end(int64_t time) const {
    if (cumulates) return floor_to(step_ms, time) + step_ms;
    return floor_to(step_ms, time - size_ms) + step_ms + size_ms;
  }
  /// False when `time` lies in a gap between windows.
  bool covered(int64_t time) const { return last_end(time) > time; }
  /// A row is late when every window that holds it has closed: last end - 1 ms <= watermark.
  bool late(int64_t time, int64_t watermark) const { return last_end(time) - 1 <= watermark; }
};

}  // namespace headrace
