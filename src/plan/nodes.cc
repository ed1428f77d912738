#include "plan/nodes.h"

#include <numeric>

namespace headrace {

std::string_view word_of(Changelog changelog) {
  constexpr std::string_view words[] = {"append", "upsert", "retract"};
  return words[static_cast<size_t>(changelog)];
}

SchemaRef Output::schema() const {
  std::vector<Field> fields;
  for (const Column& column : columns) fields.push_back({column.name, column.type, true});
  return std::make_shared<Schema>(std::move(fields));
}

std::optional<size_t> Output::find_role(TimeRole role) const {
  for (size_t i = 0; i < columns.size(); ++i)
    if (columns[i].role == role) return i;
  return std::nullopt;
}

std::vector<size_t> Output::naming_columns() const {
  if (!key.empty()) return key;
  std::vector<size_t> all(columns.size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

std::optional<Promise> Output::promise_of(size_t column) const {
  if (!watermark) return std::nullopt;
  switch (columns[column].role) {
    case TimeRole::event_time:
    case TimeRole::window_time:
      return Promise{column, 0};
    case TimeRole::window_end:
      // A window's rows come before the watermark has reached its end less a millisecond.
      return Promise{column, -1};
    case TimeRole::window_start:
      if (columns[column].window_ms == 0) return std::nullopt;
      return Promise{column, columns[column].window_ms - 1};
    case TimeRole::none:
      break;
  }
  return std::nullopt;
}

std::optional<size_t> Output::time_column() const {
  for (TimeRole role : {TimeRole::window_end, TimeRole::window_time, TimeRole::event_time, TimeRole::window_start})
    if (std::optional<size_t> column = find_role(role)) return column;
  return std::nullopt;
}

const NodeBase& base_of(const Node& node) {
  return std::visit([](const auto& n) -> const NodeBase& { return n; }, node);
}

NodeBase& base_of(Node& node) {
  return std::visit([](auto& n) -> NodeBase& { return n; }, node);
}

bool holds_at_end(const Node& node) {
  return std::visit(
      overloaded{[](const WindowAggregateNode& n) { return n.hold_at_end; },
                 [](const TemporalJoinNode& n) { return n.hold_at_end; },
                 [](const JoinNode& n) { return n.hold_at_end; }, [](const TopNNode& n) { return n.hold_at_end; },
                 [](const OverNode& n) { return n.hold_at_end; }, [](const MatchNode& n) { return n.hold_at_end; },
                 [](const WindowAssignNode& n) { return n.hold_at_end; }, [](const auto&) { return false; }},
      node);
}

std::string_view kind_of(const Node& node) {
  return std::visit(overloaded{[](const SourceNode&) { return "source"; },
                               [](const NormalizeNode&) { return "normalize"; },
                               [](const FilterNode&) { return "filter"; },
                               [](const TemporalFilterNode&) { return "temporal_filter"; },
                               [](const ProjectNode&) { return "project"; },
                               [](const UnionNode&) { return "union"; },
                               [](const WindowAssignNode&) { return "window_assign"; },
                               [](const LateFilterNode&) { return "late_filter"; },
                               [](const LateNode&) { return "late"; },
                               [](const AggregateNode&) { return "aggregate"; },
                               [](const WindowAggregateNode&) { return "window_aggregate"; },
                               [](const LookupJoinNode&) { return "lookup_join"; },
                               [](const AsofJoinNode&) { return "asof_join"; },
                               [](const TemporalJoinNode&) { return "temporal_join"; },
                               [](const ProcessingTimeJoinNode&) { return "processing_time_join"; },
                               [](const JoinNode&) { return "join"; },
                               [](const SetOperationNode&) { return "set_operation"; },
                               [](const UnnestNode&) { return "unnest"; },
                               [](const TopNNode&) { return "top_n"; },
                               [](const MatchNode&) { return "match"; },
                               [](const OverNode&) { return "over"; },
                               [](const TableFunctionNode&) { return "table_function"; },
                               [](const ProcessNode&) { return "process"; },
                               [](const ViewNode&) { return "view"; },
                               [](const SinkNode&) { return "sink"; },
                               [](const AlertNode&) { return "alert"; }},
                    node);
}

int64_t hold_ms_of(const Node& node) {
  return std::visit(overloaded{[](const JoinNode& n) { return n.hold_ms; },
                               [](const MatchNode& n) { return n.hold_ms; }, [](const auto&) { return int64_t{0}; }},
                    node);
}

bool looks_up(const Node& node) {
  auto* asof = std::get_if<AsofJoinNode>(&node);
  return std::holds_alternative<LookupJoinNode>(node) || (asof && asof->table);
}

void collect_sources(const Plan& plan, Input from, std::set<std::string>& names) {
  const Node& node = plan[from.node];
  if (auto* source = std::get_if<SourceNode>(&node); source && !source->is_static) names.insert(source->name);
  for (const Input& input : base_of(node).inputs) collect_sources(plan, input, names);
}

}  // namespace headrace
