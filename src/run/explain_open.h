// Finds why a view's results are not out: from the view up to the operators that wait for time, and on to the splits
// that hold it.
#pragma once

#include "run/alignment.h"
#include "run/graph.h"
#include "run/input.h"
#include "run/quarantine.h"
#include "run/shard.h"
#include "run/watermarks.h"
#include "run/why_open.h"

namespace headrace {

/// What the tick loop owns, between two ticks.
struct StandingEngine {
  const Graph& graph;
  const std::vector<std::unique_ptr<SourceInput>>& inputs;
  const Alignment& alignment;
  const std::vector<std::unique_ptr<Shard>>& shards;
  const Quarantine& quarantine;
  NodeMarks marks;                     ///< Of all nodes.
  std::vector<NodeCounters> counters;  ///< By node.
  int64_t now_us = 0;
};

/// `view` is a view's node. With `window`, only what concerns the windows that start there.
Result<WhyOpen> explain_open(const StandingEngine& engine, const ViewNode& view, std::optional<EventTime> window);

}  // namespace headrace
