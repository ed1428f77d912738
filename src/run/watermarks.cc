#include "run/watermarks.h"

#include <algorithm>

namespace headrace {
namespace {

/// A watermark behind a node that may still give rows up to `hold_ms` older.
EventTime held_back(EventTime time, int64_t hold_ms) {
  return time == EventTime::min() || time == EventTime::max() ? time : EventTime{time.ms - hold_ms};
}

/// True for a node that gives its rows to the windows above as they came, with their times.
bool passes_rows_on(const Node& node) {
  return std::visit(overloaded{[](const FilterNode&) { return true; }, [](const ProjectNode&) { return true; },
                               [](const LateFilterNode&) { return true; },
                               [](const WindowAssignNode& n) { return n.window.kind != WindowKind::session; },
                               [](const LookupJoinNode&) { return true; },
                               [](const AsofJoinNode& n) { return n.table; }, [](const UnnestNode&) { return true; },
                               [](const UnionNode&) { return true; }, [](const auto&) { return false; }},
                    node);
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

std::vector<EventTime> closed_below(const Plan& plan, std::vector<EventTime> own) {
  own.resize(plan.nodes.size(), EventTime::min());
  std::vector<EventTime> above(plan.nodes.size(), EventTime::max());  // What all that read the node have closed.
  for (size_t node = plan.nodes.size(); node-- > 0;) {
    const bool is_read = above[node] != EventTime::max();
    if (std::holds_alternative<LateFilterNode>(plan.nodes[node])) own[node] = is_read ? above[node] : EventTime::min();
    const EventTime here = passes_rows_on(plan.nodes[node]) ? above[node] : own[node];
    for (const Input& input : timed_inputs(plan.nodes[node]))
      if (input.output == 0) above[input.node.value] = std::min(above[input.node.value], here);
  }
  return own;
}

}  // namespace headrace
