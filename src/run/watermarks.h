// The watermarks of nodes: how far time has come on each edge of the graph.
#pragma once

#include <span>
#include <vector>

#include "data/event_time.h"
#include "plan/nodes.h"

namespace headrace {

/// How far nodes have come, by node. To `watermark` the end of an input is the end of time; `reached` is what rows
/// alone have brought.
struct NodeMarks {
  std::vector<EventTime> watermark, reached;

  explicit NodeMarks(size_t nodes) : watermark(nodes, EventTime::min()), reached(nodes, EventTime::min()) {}
};

/// The inputs over which a node's watermark comes: all but static tables.
std::span<const Input> timed_inputs(const Node& node);

/// From the marks of the sources those of all nodes: the low point over the inputs; a table that is looked up in has
/// none. What holds at the end stays where the rows have brought it.
NodeMarks marks_below(const Plan& plan, NodeMarks sources);

/// How far the end of an earlier run has closed each node. `own`: what the nodes' operators have closed, by node. What
/// refuses late rows on behalf of the windows above it has closed what they all have.
std::vector<EventTime> closed_below(const Plan& plan, std::vector<EventTime> own);

}  // namespace headrace
