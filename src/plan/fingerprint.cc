#include "plan/fingerprint.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/json_text.h"
#include "plan/optimize.h"
#include "plan/plan_json.h"

namespace headrace {
namespace {

/// The expressions that a node computes with.
std::vector<Expr> expressions_of(const Node& node) {
  std::vector<Expr> out =
      std::visit(overloaded{[](const SourceNode& n) {
                              std::vector<Expr> all;
                              if (n.watermark) all.push_back(n.watermark->expression);
                              for (const BoundExpectation& e : n.expectations) all.push_back(e.violation);
                              return all;
                            },
                            [](const FilterNode& n) { return std::vector<Expr>{n.predicate}; },
                            [](const TemporalFilterNode& n) {
                              std::vector<Expr> all;
                              for (const ClockBound& bound : n.bounds) all.push_back(bound.time);
                              return all;
                            },
                            [](const ProjectNode& n) { return n.expressions; },
                            [](const LookupJoinNode& n) { return std::vector<Expr>{n.residual}; },
                            [](const TemporalJoinNode& n) { return std::vector<Expr>{n.residual}; },
                            [](const ProcessingTimeJoinNode& n) { return std::vector<Expr>{n.residual}; },
                            [](const JoinNode& n) { return std::vector<Expr>{n.residual}; },
                            [](const UnnestNode& n) { return n.lists; },
                            [](const MatchNode& n) {
                              std::vector<Expr> all;
                              for (const MatchedVariable& v : n.pattern) all.push_back(v.condition);
                              return all;
                            },
                            [](const AlertNode& n) { return std::vector<Expr>{n.condition}; },
                            [](const auto&) { return std::vector<Expr>(); }},
                 node);
  std::erase_if(out, [](const Expr& expression) { return expression.empty(); });
  return out;
}

/// The code that a node calls, each function as "name hash".
std::vector<std::string> functions_of(const Node& node, const FunctionHost* functions) {
  std::set<std::string> out;
  auto add = [&](const FunctionDescription& function) { out.insert(function.name + " " + function.hash); };
  if (functions != nullptr)
    for (const Expr& expression : expressions_of(node))
      for (const std::string& name : expression.functions())
        for (const FunctionDescription& function : functions->functions())
          if (function.name == name) add(function);
  auto add_all = [&](const std::vector<Aggregate>& aggregates) {
    for (const Aggregate& aggregate : aggregates)
      if (aggregate.function.host != nullptr) add(aggregate.function.description());
  };
  std::visit(overloaded{[&](const AggregateNode& n) { add_all(n.aggregates); },
                        [&](const WindowAggregateNode& n) { add_all(n.aggregates); },
                        [&](const TableFunctionNode& n) { add(n.function.description()); },
                        [&](const ProcessNode& n) { add(n.function.description()); }, [](const auto&) {}},
             node);
  return {out.begin(), out.end()};
}

std::string flags(const std::vector<bool>& bits) {
  std::string out;
  for (bool bit : bits) out += bit ? '1' : '0';
  return out;
}

std::string promise_text(const std::optional<Promise>& promise) {
  return promise ? fmt::format("{} {}", promise->column, promise->lag_ms) : "";
}

std::string outside_identity(const std::string& connector, const std::map<std::string, std::string>& options,
                             const std::string& name, const NamesData& names_data) {
  std::string out = connector + "\n" + name;
  for (const auto& [option, value] : options)
    if (names_data(connector, option)) out += "\n" + option + "=" + value;
  return fingerprint_of(out);
}

/// What the documented JSON of a node does not say, and its state follows from.
std::string beyond_json(const Node& node) {
  return std::visit(
      overloaded{[](const SourceNode& n) {
                   std::string out = fmt::format("{} {} {}", n.reject_extra_fields, n.max_future_ms, n.is_static);
                   for (size_t column : n.delivered) {
                     const bool in_key = std::count(n.primary_key.begin(), n.primary_key.end(), column) > 0;
                     out += fmt::format("\n{} {} {}", n.declared[column].name, n.declared[column].nullable, in_key);
                   }
                   for (const BoundExpectation& e : n.expectations)
                     out += fmt::format("\n{} {}", e.violation.json(), static_cast<int>(e.action));
                   if (n.watermark) out += "\n" + n.watermark->expression.json();
                   return out;
                 },
                 [](const AggregateNode& n) {
                   std::string out;
                   for (const Aggregate& a : n.aggregates) out += a.call.text + "\n";
                   return out;
                 },
                 [](const WindowAggregateNode& n) {
                   std::string out;
                   for (const Aggregate& a : n.aggregates) out += a.call.text + "\n";
                   for (const WindowAggregateNode::OutputColumn& column : n.outputs)
                     out += fmt::format("{} {}\n", static_cast<int>(column.from), column.index);
                   // Slices of older versions do not hold what comes after them.
                   if (n.assign && n.assign->kind == WindowKind::hop) out += "stacks\n";
                   return out;
                 },
                 [](const LookupJoinNode& n) { return flags(n.null_safe); },
                 [](const TemporalJoinNode& n) { return flags(n.null_safe); },
                 [](const ProcessingTimeJoinNode& n) { return flags(n.null_safe); },
                 [](const JoinNode& n) {
                   return flags(n.null_safe) + promise_text(n.left.promise) + "/" + promise_text(n.right.promise);
                 },
                 [](const TopNNode& n) { return fmt::format("{} {}", n.order_written, n.keeps_all_rows); },
                 [](const OverNode& n) {
                   std::string out = std::to_string(n.order_written);
                   for (const OverFunction& f : n.functions) {
                     out += fmt::format("\n{}", static_cast<int>(f.total));
                     for (const OrderColumn& item : f.argument_order)
                       out += fmt::format(" {} {} {}", item.column, item.descending, item.nulls_first);
                   }
                   return out;
                 },
                 [](const auto&) { return std::string(); }},
      node);
}

/// A node's own work: all but numbers and names that nobody's state depends on.
std::string own_text(const Node& node, const FunctionHost* functions) {
  const Output& output = base_of(node).output;
  std::string out = std::string(kind_of(node)) + "\n";
  for (const Column& column : output.columns)
    out += fmt::format("{} {}\n", column.type.ToString(), static_cast<int>(column.role));
  out += fmt::format("{} {} {}\n", word_of(output.changelog), fmt::join(output.key, ","),
                     static_cast<int>(base_of(node).on_error));
  const bool outside = std::holds_alternative<SourceNode>(node) || std::holds_alternative<SinkNode>(node);
  if (!outside) out += node_members(node);
  for (const Expr& expression : expressions_of(node)) out += "\n" + expression.text();
  out += "\n" + beyond_json(node);
  for (const std::string& function : functions_of(node, functions)) out += "\n" + function;
  return out;
}

/// Computes fingerprints over one plan.
class Fingerprints {
 public:
  Fingerprints(const Plan& plan, const FunctionHost* functions, const NamesData& names_data)
      : plan_(plan), functions_(functions), names_data_(names_data) {}

  NodeRecord record(NodeId id) const {
    const Node& node = plan_[id];
    NodeRecord out;
    out.kind = kind_of(node);
    out.name = base_of(node).name;
    out.identity = identity_of(node, names_data_);
    out.text = node_detail(node);
    out.functions = functions_of(node, functions_);
    out.has_state = keeps_state(node);
    if (keeps_state(node) && !is_aggregation(node)) {
      // It keeps rows as they come, also those columns that others read beside it.
      const std::string own = own_text(node, functions_);
      out.own = fingerprint_of(own);
      std::string all = own;
      for (const Input& input : base_of(node).inputs)
        all += fmt::format("\n{} {}", over(input.node, true).first, input.output);
      out.fingerprint = fingerprint_of(all);
    } else {
      std::tie(out.fingerprint, out.own) = over(id, !passes_columns_on(node));
    }
    return out;
  }

 private:
  static bool is_aggregation(const Node& node) {
    return std::holds_alternative<AggregateNode>(node) || std::holds_alternative<WindowAggregateNode>(node);
  }

  /// Which columns it has is its readers' doing.
  static bool passes_columns_on(const Node& node) {
    return !keeps_state(node) && !std::holds_alternative<ProjectNode>(node) &&
           !std::holds_alternative<UnnestNode>(node) && !std::holds_alternative<TableFunctionNode>(node);
  }

  /// The fingerprint of a node with all it reads, and of the node alone, both without the columns that only others
  /// read; of its own columns all count, or none.
  std::pair<std::string, std::string> over(NodeId id, bool all_columns) const {
    const Plan part = narrowed(part_of(plan_, {id}).plan, all_columns);
    std::vector<std::string> known(part.nodes.size());
    std::string own;
    for (const Node& node : part.nodes) {
      const NodeBase& base = base_of(node);
      own = own_text(node, functions_) + "\n" + identity_of(node, names_data_);
      std::string all = own;
      for (const Input& input : base.inputs) all += fmt::format("\n{} {}", known[input.node.value], input.output);
      known[base.id.value] = fingerprint_of(all);
    }
    return {known.back(), fingerprint_of(own)};
  }

  const Plan& plan_;
  const FunctionHost* functions_;
  const NamesData& names_data_;
};

}  // namespace

std::string identity_of(const Node& node, const NamesData& names_data) {
  if (auto* source = std::get_if<SourceNode>(&node))
    return outside_identity(source->connector, source->options, source->name + (source->is_static ? " table" : ""),
                            names_data);
  if (auto* sink = std::get_if<SinkNode>(&node))
    return outside_identity(sink->connector, sink->options, sink->name, names_data);
  return "";
}

std::vector<NodeRecord> records_of(const Plan& plan, const FunctionHost* functions, const NamesData& names_data) {
  const Fingerprints fingerprints(plan, functions, names_data);
  std::vector<NodeRecord> out;
  for (const Node& node : plan.nodes) out.push_back(fingerprints.record(base_of(node).id));
  return out;
}

bool keeps_state(const Node& node) {
  return std::visit(overloaded{[](const WindowAssignNode& n) { return n.window.kind == WindowKind::session; },
                               [](const AsofJoinNode& n) { return !n.table; }, [](const SourceNode&) { return false; },
                               [](const FilterNode&) { return false; }, [](const ProjectNode&) { return false; },
                               [](const UnionNode&) { return false; }, [](const LateFilterNode&) { return false; },
                               [](const LateNode&) { return false; }, [](const LookupJoinNode&) { return false; },
                               [](const UnnestNode&) { return false; }, [](const TableFunctionNode&) { return false; },
                               [](const SinkNode&) { return false; }, [](const auto&) { return true; }},
                    node);
}

bool is_paced(const Node& node) {
  return std::visit(
      overloaded{[](const AggregateNode& n) { return n.emit_every_ms > 0; },
                 [](const WindowAggregateNode& n) { return n.emit_every_ms > 0; }, [](const auto&) { return false; }},
      node);
}

PlanPart part_of(const Plan& plan, const std::vector<NodeId>& ends) {
  std::vector<bool> live(plan.nodes.size());
  for (NodeId end : ends) live[end.value] = true;
  for (size_t at = plan.nodes.size(); at-- > 0;)
    if (live[at])
      for (const Input& input : base_of(plan.nodes[at]).inputs) live[input.node.value] = true;
  PlanPart out;
  std::vector<uint32_t> number(plan.nodes.size());
  for (uint32_t at = 0; at < plan.nodes.size(); ++at) {
    if (!live[at]) continue;
    number[at] = static_cast<uint32_t>(out.whole.size());
    out.whole.push_back(NodeId{at});
    out.plan.nodes.push_back(plan.nodes[at]);
    NodeBase& base = base_of(out.plan.nodes.back());
    base.id = NodeId{number[at]};
    for (Input& input : base.inputs) input.node = NodeId{number[input.node.value]};
  }
  return out;
}

}  // namespace headrace
