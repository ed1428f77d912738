// What flows through the graph, in band and in order.
#pragma once

#include <algorithm>
#include <variant>
#include <vector>

#include "data/batch.h"

namespace headrace {

struct TickEnd {
  Tick tick;
};
struct EndOfInput {};

using Message = std::variant<Batch, Watermark, TickEnd, EndOfInput>;

/// The low point over several inputs; it never goes back.
class Frontier {
 public:
  explicit Frontier(size_t inputs) : times_(inputs, EventTime::min()) {}

  /// Moves one input forward; gives the new low point.
  EventTime advance(size_t input, EventTime time) {
    times_[input] = std::max(times_[input], time);
    return low();
  }
  EventTime low() const { return times_.empty() ? EventTime::max() : *std::min_element(times_.begin(), times_.end()); }
  EventTime of(size_t input) const { return times_[input]; }

 private:
  std::vector<EventTime> times_;
};

}  // namespace headrace
