#include "plan/unbounded_state.h"

#include <algorithm>
#include <set>

namespace headrace {
namespace {

/// True when rows come for ever. Generated ones are made to be looked at.
bool is_endless(const SourceNode& source) {
  if (source.is_static || !source.primary_key.empty() || source.connector == "generator") return false;
  auto mode = source.options.find("mode");
  return source.connector != "file" || (mode != source.options.end() && mode->second != "bounded");
}

bool leaves_by_clock(const TemporalFilterNode& node) {
  return std::any_of(node.bounds.begin(), node.bounds.end(), [](const ClockBound& bound) { return bound.until; });
}

/// True when rows of an endless source come through, and nothing takes them back with time.
bool grows(const Plan& plan, Input input) {
  const Node& node = plan[input.node];
  if (auto* source = std::get_if<SourceNode>(&node)) return is_endless(*source);
  if (std::holds_alternative<WindowAssignNode>(node) || std::holds_alternative<WindowAggregateNode>(node)) return false;
  if (auto* filter = std::get_if<TemporalFilterNode>(&node); filter && leaves_by_clock(*filter)) return false;
  const std::vector<Input>& inputs = base_of(node).inputs;
  return std::any_of(inputs.begin(), inputs.end(), [&](Input below) { return grows(plan, below); });
}

/// What of a node's work keeps state for every row or key that comes, for people; nothing where it lets go.
std::string kept_for_ever(const Plan& plan, const Node& node) {
  const std::vector<Input>& inputs = base_of(node).inputs;
  auto any_grows = [&] {
    return std::any_of(inputs.begin(), inputs.end(), [&](Input input) { return grows(plan, input); });
  };
  if (auto* aggregate = std::get_if<AggregateNode>(&node))
    return !aggregate->groups.empty() && any_grows()
               ? aggregate->aggregates.empty() ? "DISTINCT keeps every row" : "GROUP BY keeps every group"
               : "";
  if (auto* top = std::get_if<TopNNode>(&node))
    return !top->window_end && (top->keeps_all_rows || !top->partition.empty()) && any_grows()
               ? top->keeps_all_rows ? "the Top-N keeps every row" : "the Top-N keeps rows of every partition"
               : "";
  if (std::holds_alternative<SetOperationNode>(node)) return any_grows() ? "INTERSECT or EXCEPT keeps every row" : "";
  if (auto* join = std::get_if<JoinNode>(&node)) {
    const bool left = !join->left.expiry && grows(plan, inputs[0]),
               right = !join->right.expiry && grows(plan, inputs[1]);
    return left && right   ? "the join keeps every row of both sides"
           : left || right ? "the join keeps every row of a side"
                           : "";
  }
  return "";
}

/// The first of it below a node, with the statement that says so.
const Node* find(const Plan& plan, NodeId from, std::set<uint32_t>& seen) {
  for (const Input& input : base_of(plan[from]).inputs) {
    // What stands in a view below is told there.
    if (std::holds_alternative<ViewNode>(plan[input.node]) || !seen.insert(input.node.value).second) continue;
    if (const Node* below = find(plan, input.node, seen)) return below;
    if (!kept_for_ever(plan, plan[input.node]).empty()) return &plan[input.node];
  }
  return nullptr;
}

}  // namespace

std::vector<Error> unbounded_state(const Plan& plan) {
  std::vector<Error> out;
  for (const Node& node : plan.nodes) {
    if (!std::holds_alternative<ViewNode>(node) && !std::holds_alternative<SinkNode>(node)) continue;
    const NodeBase& base = base_of(node);
    std::set<uint32_t> seen;
    const Node* found = find(plan, base.id, seen);
    if (found == nullptr) continue;
    out.push_back(user_error(Code::unbounded_state, kept_for_ever(plan, *found) + " that ever comes")
                      .with_remedy("bound it by a window, by an interval in the join, or by WHERE ts > now() - "
                                   "INTERVAL '30' DAY; or leave it, if there will be few")
                      .with_location(base.at));
  }
  return out;
}

}  // namespace headrace
