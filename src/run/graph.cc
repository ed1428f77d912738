#include "run/graph.h"

#include <algorithm>
#include <numeric>

#include "ops/aggregate.h"
#include "ops/alert.h"
#include "ops/asof_join.h"
#include "ops/calling_project.h"
#include "ops/distinct.h"
#include "ops/filter.h"
#include "ops/join.h"
#include "ops/joins.h"
#include "ops/match.h"
#include "ops/normalize.h"
#include "ops/outlet.h"
#include "ops/over.h"
#include "ops/over_changes.h"
#include "ops/process.h"
#include "ops/processing_time_join.h"
#include "ops/session_aggregate.h"
#include "ops/session_assign.h"
#include "ops/set_operation.h"
#include "ops/table_function.h"
#include "ops/temporal_filter.h"
#include "ops/temporal_join.h"
#include "ops/top_n.h"
#include "ops/union.h"
#include "ops/unnest.h"
#include "ops/view.h"
#include "ops/window_aggregate.h"
#include "ops/window_assign.h"

namespace headrace {
namespace {

struct Route {
  Exchange exchange = Exchange::local;
  std::vector<size_t> columns;
};

/// Where the rows of input `input` of a node must go.
Route route_to(const Plan& plan, const Node& node, uint32_t input) {
  return std::visit(overloaded{[&](const NormalizeNode& n) {
                                 return Route{Exchange::hash, n.key};
                               },
                               [&](const TemporalFilterNode& n) {
                                 return Route{Exchange::hash, n.output.naming_columns()};
                               },
                               [&](const AggregateNode& n) {
                                 return Route{Exchange::hash, n.groups};
                               },
                               [&](const WindowAggregateNode& n) {
                                 return Route{Exchange::hash, n.groups};
                               },
                               [&](const WindowAssignNode& n) {
                                 const bool session = n.window.kind == WindowKind::session;
                                 return session ? Route{Exchange::hash, n.window.keys} : Route{};
                               },
                               [&](const LookupJoinNode&) {
                                 return Route{input == 1 ? Exchange::broadcast : Exchange::local, {}};
                               },
                               [&](const AsofJoinNode& n) {
                                 if (!n.table) return Route{Exchange::hash, input == 0 ? n.left_keys : n.right_keys};
                                 return Route{input == 1 ? Exchange::broadcast : Exchange::local, {}};
                               },
                               [&](const JoinNode& n) {
                                 return Route{Exchange::hash, input == 0 ? n.left.keys : n.right.keys};
                               },
                               [&](const TemporalJoinNode& n) {
                                 return Route{Exchange::hash, input == 0 ? n.left_keys : n.right_keys};
                               },
                               [&](const ProcessingTimeJoinNode& n) {
                                 return Route{Exchange::hash, input == 0 ? n.left_keys : n.right_keys};
                               },
                               [&](const SetOperationNode& n) {
                                 std::vector<size_t> all(n.output.columns.size());
                                 std::iota(all.begin(), all.end(), 0);
                                 return Route{Exchange::hash, std::move(all)};
                               },
                               [&](const ProcessNode& n) {
                                 return Route{Exchange::hash, n.key};
                               },
                               [&](const TopNNode& n) {
                                 return Route{Exchange::hash, n.partition};
                               },
                               [&](const MatchNode& n) {
                                 return Route{Exchange::hash, n.partition};
                               },
                               [&](const OverNode& n) {
                                 return Route{Exchange::hash, n.partition};
                               },
                               [&](const SinkNode&) {
                                 return Route{Exchange::single, {}};
                               },
                               [&](const AlertNode&) {
                                 return Route{Exchange::single, {}};
                               },
                               [&](const ViewNode& n) {
                                 // A row and its retraction must meet in one place.
                                 if (n.output.changelog == Changelog::append) return Route{};
                                 return Route{Exchange::hash, n.output.naming_columns()};
                               },
                               [&](const auto&) { return Route{}; }},
                    node);
}

}  // namespace

Graph make_graph(Plan plan, uint32_t shards) {
  Graph graph;
  graph.plan = std::move(plan);
  const size_t count = graph.plan.nodes.size();
  graph.outgoing.resize(count);
  graph.incoming.resize(count);
  graph.stage.resize(count);
  graph.static_only.resize(count);
  for (uint32_t at = 0; at < count; ++at) {
    const Node& node = graph.plan.nodes[at];
    const NodeBase& base = base_of(node);
    bool is_static = !base.inputs.empty();
    for (uint32_t input = 0; input < base.inputs.size(); ++input) {
      const Input& from = base.inputs[input];
      Route route = shards == 1 ? Route{} : route_to(graph.plan, node, input);
      const uint32_t edge = static_cast<uint32_t>(graph.edges.size());
      graph.edges.push_back({from, NodeId{at}, input, route.exchange, std::move(route.columns)});
      graph.outgoing[from.node.value].push_back(edge);
      graph.incoming[at].push_back(edge);
      const uint32_t step = route.exchange == Exchange::local ? 0 : 1;
      graph.stage[at] = std::max(graph.stage[at], graph.stage[from.node.value] + step);
      is_static = is_static && graph.static_only[from.node.value];
    }
    if (auto* source = std::get_if<SourceNode>(&node)) is_static = source->is_static;
    graph.static_only[at] = is_static;
    graph.stages = std::max(graph.stages, graph.stage[at] + 1);
  }
  return graph;
}

std::unique_ptr<Operator> make_operator(const Node& node, const OperatorContext& context) {
  using Made = std::unique_ptr<Operator>;
  return std::visit(
      overloaded{
          [&](const SourceNode&) -> Made { return nullptr; },
          [&](const NormalizeNode& n) -> Made { return std::make_unique<NormalizeOperator>(n); },
          [&](const FilterNode& n) -> Made { return std::make_unique<FilterOperator>(n, context); },
          [&](const TemporalFilterNode& n) -> Made { return std::make_unique<TemporalFilterOperator>(n, context); },
          [&](const ProjectNode& n) -> Made { return make_project(n, context); },
          [&](const UnionNode& n) -> Made { return std::make_unique<UnionOperator>(n, context); },
          [&](const WindowAssignNode& n) -> Made {
            if (n.window.kind == WindowKind::session) return std::make_unique<SessionAssignOperator>(n);
            return std::make_unique<WindowAssignOperator>(n);
          },
          [&](const LateFilterNode& n) -> Made { return std::make_unique<LateFilterOperator>(n); },
          [&](const LateNode& n) -> Made { return std::make_unique<LateOperator>(n); },
          [&](const AggregateNode& n) -> Made {
            if (n.aggregates.empty() && n.output.watermark) return std::make_unique<DistinctOperator>(n);
            return std::make_unique<AggregateOperator>(n, context);
          },
          [&](const WindowAggregateNode& n) -> Made {
            if (n.assign && n.assign->kind == WindowKind::session)
              return std::make_unique<SessionAggregateOperator>(n, context);
            return std::make_unique<WindowAggregateOperator>(n, context);
          },
          [&](const LookupJoinNode& n) -> Made { return std::make_unique<LookupJoinOperator>(n, context); },
          [&](const AsofJoinNode& n) -> Made {
            if (!n.table) return std::make_unique<StreamAsofJoinOperator>(n, context);
            return std::make_unique<AsofJoinOperator>(n, context);
          },
          [&](const JoinNode& n) -> Made { return std::make_unique<JoinOperator>(n, context); },
          [&](const TemporalJoinNode& n) -> Made { return std::make_unique<TemporalJoinOperator>(n, context); },
          [&](const ProcessingTimeJoinNode& n) -> Made {
            return std::make_unique<ProcessingTimeJoinOperator>(n, context);
          },
          [&](const SetOperationNode& n) -> Made { return std::make_unique<SetOperationOperator>(n); },
          [&](const UnnestNode& n) -> Made { return std::make_unique<UnnestOperator>(n, context); },
          [&](const OverNode& n) -> Made {
            if (n.time) return std::make_unique<OverOperator>(n, context);
            return std::make_unique<ChangingOverOperator>(n, context);
          },
          [&](const TopNNode& n) -> Made { return std::make_unique<TopNOperator>(n, context); },
          [&](const MatchNode& n) -> Made { return std::make_unique<MatchOperator>(n, context); },
          [&](const TableFunctionNode& n) -> Made { return std::make_unique<TableFunctionOperator>(n); },
          [&](const ProcessNode& n) -> Made { return std::make_unique<ProcessOperator>(n); },
          [&](const ViewNode& n) -> Made { return std::make_unique<ViewOperator>(n); },
          [&](const SinkNode& n) -> Made { return std::make_unique<OutletOperator>(n); },
          [&](const AlertNode& n) -> Made { return std::make_unique<AlertOperator>(n, context); }},
      node);
}

}  // namespace headrace
