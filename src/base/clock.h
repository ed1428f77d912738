// The clock seam: the only way to ask for the time. Tests and replays give their own.
#pragma once

#include <cstdint>

namespace headrace {

class Clock {
 public:
  virtual ~Clock() = default;
  /// Microseconds since 1970-01-01 UTC by the wall.
  virtual int64_t now_us() const = 0;
  /// Nanoseconds of a clock that never goes back; only differences mean something.
  virtual int64_t steady_ns() const = 0;
};

/// The machine's clock. Lives as long as the process; safe from any thread.
const Clock& system_clock();

}  // namespace headrace
