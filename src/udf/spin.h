// A short wait without giving up the core: worth it when the other side answers sooner than a wake-up takes (about 35
// us).
#pragma once

#include <sched.h>

#include <cstdint>

#include "base/clock.h"

namespace headrace {

/// Learns how long waits have been, and spins only while they are expected to be short. One waiting thread at a time.
class AdaptiveSpin {
 public:
  /// Tries `ready()` until it holds or the time to spin is over; tells whether it held.
  template <class Ready>
  bool wait(const Ready& ready) const {
    if (ready()) return true;
    if (expected_ns_ > spin_ns_max) return false;
    const int64_t end_ns = system_clock().steady_ns() + spin_ns_max;
    do {
      for (int i = 0; i < 64; ++i) {
        if (ready()) return true;
        __builtin_ia32_pause();
      }
      ::sched_yield();  // Where all cores are taken, the other side may be waiting for ours.
    } while (system_clock().steady_ns() < end_ns);
    return false;
  }

  /// Takes note of a whole wait, slept or not.
  void learn(int64_t waited_ns) { expected_ns_ += (waited_ns - expected_ns_) / 4; }

  static constexpr int64_t spin_ns_max = 100'000;

 private:
  int64_t expected_ns_ = 0;
};

}  // namespace headrace
