#include "run/watermarks.h"

#include <algorithm>

namespace headrace {
namespace {

/// A watermark behind a node that may still give rows up to `hold_ms` older.
EventTime held_back(EventTime time, int64_t hold_ms) {
  return time == EventTime::min() || time == EventTime::max() ? time : EventTime{time.ms - hold_ms};
}

}  // namespace

std::span<const Input> timed_inputs(const Node& node) {
  const std::vector<Input>& inputs = base_of(node).inputs;
  return {inputs.data(), looks_up(node) ? 1 : inputs.size()};
}

NodeMarks marks_below(const Plan& plan, NodeMarks sources) {
  NodeMarks marks = std::move(sources);
  for (uint32_t node = 0; node < plan.nodes.size(); ++node) {
    const std::span<const Input> inputs = timed_inputs(plan.nodes[node]);
    if (inputs.empty()) continue;
    marks.watermark[node] = marks.reached[node] = EventTime::max();
    for (const Input& input : inputs) {
      const uint32_t from = input.node.value;
      const int64_t hold_ms = hold_ms_of(plan.nodes[from]);
      marks.watermark[node] = std::min(marks.watermark[node], held_back(marks.watermark[from], hold_ms));
      marks.reached[node] = std::min(marks.reached[node], held_back(marks.reached[from], hold_ms));
    }
    if (holds_at_end(plan.nodes[node])) marks.watermark[node] = marks.reached[node];
  }
  return marks;
}

}  // namespace headrace
