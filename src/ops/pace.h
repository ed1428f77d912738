// EMIT EVERY: changes are told in some ticks only, by the ticks' time.
#pragma once

#include <cstdint>

#include "ops/operator.h"

namespace headrace {

/// Says yes in the first tick of each interval of time. An interval of 0 is every tick.
class Pace {
 public:
  explicit Pace(int64_t every_ms) : every_us_(every_ms * 1000) {}

  bool is_due(const TickInfo& tick) {
    if (every_us_ == 0) return true;
    const int64_t interval = tick.now_us / every_us_;
    if (interval == last_ && !tick.at_end) return false;
    last_ = interval;
    return true;
  }

 private:
  int64_t every_us_;
  int64_t last_ = -1;
};

}  // namespace headrace
