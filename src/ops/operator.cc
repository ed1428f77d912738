#include "ops/operator.h"

#include <algorithm>

#include "plan/nodes.h"

namespace headrace {

NodeCounters& NodeCounters::operator+=(const NodeCounters& other) {
  rows_in += other.rows_in;
  passed += other.passed;
  filtered += other.filtered;
  late += other.late;
  quarantined += other.quarantined;
  held += other.held;
  rows_out += other.rows_out;
  return *this;
}

bool meets_others(const Plan& plan, NodeId node) {
  std::vector<bool> reached(plan.nodes.size());
  reached[node.value] = true;
  for (size_t at = node.value + 1; at < plan.nodes.size(); ++at) {
    const std::vector<Input>& inputs = base_of(plan.nodes[at]).inputs;
    reached[at] =
        std::any_of(inputs.begin(), inputs.end(), [&](const Input& input) { return reached[input.node.value]; });
    if (reached[at] && inputs.size() > 1) return true;
  }
  return false;
}

const Output& OperatorContext::output_of(const Input& input) const {
  return base_of(plan[input.node]).output;
}

Result<EventTime> Operator::on_time_end(Emitter& out) {
  const EventTime due = last_due();
  if (due != EventTime::min()) HEADRACE_TRY(on_watermark(due, out));
  return due == EventTime::max() ? EventTime::min() : due;
}

}  // namespace headrace
