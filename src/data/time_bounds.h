// Which event times a row may have.
#pragma once

#include "data/event_time.h"

namespace headrace {

/// Event times lie at most 250'000 years from 1970 (400 years are 146'097 days). That leaves the bounds of windows,
/// watermarks and distances between rows room in microseconds; 'infinity' lies beyond.
inline constexpr int64_t event_time_ms_max = 250'000LL / 400 * 146'097 * 86'400'000;

constexpr bool in_bounds(EventTime time) {
  return time.ms >= -event_time_ms_max && time.ms <= event_time_ms_max;
}

}  // namespace headrace
