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

struct WindowMath {
  int64_t size_ms, slide_ms, offset_ms, slice_ms;

  explicit WindowMath(const WindowSpec& spec)
      : size_ms(spec.size_ms),
        slide_ms(spec.slide_ms),
        offset_ms(spec.offset_ms),
        slice_ms(std::gcd(spec.size_ms, spec.slide_ms)) {}

  /// The start of the slice that holds `time`; slices are the pieces that all windows are made of.
  int64_t slice_of(int64_t time) const { return floor_div(time - offset_ms, slice_ms) * slice_ms + offset_ms; }
  /// Start of the last window that begins at or before `time`.
  int64_t last_start(int64_t time) const { return floor_div(time - offset_ms, slide_ms) * slide_ms + offset_ms; }
  /// End of the last window that holds `time`, or of the last one before it, when the windows leave gaps (slide >
  /// size).
  int64_t last_end(int64_t time) const { return last_start(time) + size_ms; }
  /// End of the first window that ends after `time`: the first one that can hold it.
  int64_t first_end(int64_t time) const {
    return floor_div(time - offset_ms - size_ms, slide_ms) * slide_ms + slide_ms + offset_ms + size_ms;
  }
  /// False when `time` lies in a gap between windows.
  bool covered(int64_t time) const { return last_end(time) > time; }
  /// A row is late when every window that holds it has closed: last end - 1 ms <= watermark.
  bool late(int64_t time, int64_t watermark) const { return last_end(time) - 1 <= watermark; }
};

}  // namespace headrace
