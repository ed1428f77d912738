// Alignment of splits: one whose watermark is too far ahead of the slowest of those that it is read together with is
// not polled until that has caught up. So joins and windows hold rows of about the allowed drift, and not all of what a
// fast source has to give while a slow one is read (docs/design/0035).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "run/input.h"

namespace headrace {

/// Used by the tick loop only.
class Alignment {
 public:
  using Inputs = std::vector<std::unique_ptr<SourceInput>>;

  /// `drift_ms` < 0: every split is read as fast as it can be.
  Alignment(const Plan& plan, int64_t drift_ms);

  /// Tells each input which of its splits are ahead of those that have a backlog. What has caught up, has ended or has
  /// no time yet pauses no other; so the slowest with a backlog is always read, and nothing waits for ever.
  void pause(const Inputs& inputs);
  /// Why `split` of `input` is paused, for people.
  std::string reason(const SourceInput& input, uint32_t split) const;
  /// The same of its first split that is paused; "" = none is.
  std::string reason(const SourceInput& input) const;

 private:
  /// The split furthest behind of those that have a backlog.
  struct Slowest {
    const SourceInput* input = nullptr;
    uint32_t split = 0;
    EventTime watermark = EventTime::max();
  };
  Slowest& slowest_of(const SourceInput& input) { return slowest_[group_[input.node().id.value]]; }

  const int64_t drift_ms_;
  std::vector<uint32_t> group_;   ///< By node; sources whose watermarks meet somewhere are of one group.
  std::vector<Slowest> slowest_;  ///< By group.
};

/// By node: nodes that are connected by edges over which a watermark flows have the same number.
std::vector<uint32_t> connected_groups(const Plan& plan);

}  // namespace headrace
