// Top-N, deduplication, LIMIT and window functions.
#include <algorithm>
#include <numeric>

#include "duck/conjunction.h"
#include "plan/relation_builder.h"
#include "plan/window_functions.h"

namespace headrace {
namespace {

using Kind = BoundRelation::Kind;

/// No list of ranks is longer.
constexpr int64_t max_rank = int64_t{1} << 31;

/// Ranks from `first` to `last`, both included.
struct RankBounds {
  int64_t first = 1, last = INT64_MAX;
};

/// Narrows the ranks to those that `rank ? bound` lets pass.
void narrow(RankBounds& ranks, Comparison comparison, int64_t bound) {
  if (comparison == Comparison::less) --bound;
  if (comparison == Comparison::greater) ++bound;
  const bool above = comparison != Comparison::less && comparison != Comparison::less_equal;
  const bool below = comparison != Comparison::greater && comparison != Comparison::greater_equal;
  if (above) ranks.first = std::max(ranks.first, bound);
  if (below) ranks.last = std::min(ranks.last, bound);
}

/// The bound that `condition` sets to the column, when that is all it says.
bool narrow_by(RankBounds& ranks, const BoundRelation::Condition& condition, size_t rank_column) {
  if (condition.comparison == Comparison::not_distinct || condition.comparison == Comparison::not_equal ||
      condition.comparison == Comparison::other)
    return false;
  const bool left = condition.left.column() == rank_column;
  if (!left && condition.right.column() != rank_column) return false;
  std::optional<int64_t> bound = constant_integer(left ? condition.right : condition.left);
  if (bound) narrow(ranks, left ? condition.comparison : flipped(condition.comparison), *bound);
  return bound.has_value();
}

/// The ranks that `parts` let pass, where the last of `columns` columns is the rank; `rest` are the conditions on
/// anything else.
RankBounds rank_bounds(const std::vector<Expr>& parts, size_t columns, std::vector<Expr>& rest) {
  RankBounds out;
  for (const Expr& part : parts) {
    std::optional<BoundRelation::Condition> comparison = as_comparison(part);
    if (!comparison || !narrow_by(out, *comparison, columns - 1)) rest.push_back(part);
  }
  return out;
}

}  // namespace

/// True when the order of arrival at `input` is that of the sources' rows. What tells its changes per tick has none.
bool RelationBuilder::keeps_arrival(Input input) const {
  const Node& node = plan_.nodes[input.node.value];
  const NodeBase& base = base_of(node);
  if (base.output.changelog == Changelog::append || std::holds_alternative<SourceNode>(node)) return true;
  const bool passes_on =
      std::visit(overloaded{[](const FilterNode&) { return true; }, [](const ProjectNode&) { return true; },
                            [](const WindowAssignNode&) { return true; }, [](const LateFilterNode&) { return true; },
                            [](const LookupJoinNode&) { return true; }, [](const AsofJoinNode& n) { return n.table; },
                            [](const UnnestNode&) { return true; }, [](const ViewNode&) { return true; },
                            [](const auto&) { return false; }},
                 node);
  return passes_on && keeps_arrival(base.inputs[0]);
}

/// Where arrival says nothing ties go by the row's key, or by all its columns.
void RelationBuilder::break_ties(Input input, std::vector<OrderColumn>& order) const {
  if (keeps_arrival(input)) return;
  const Output& in = output_of(input);
  std::vector<size_t> rest = in.key;
  if (rest.empty()) {
    rest.resize(in.columns.size());
    std::iota(rest.begin(), rest.end(), 0);
  }
  for (size_t column : rest) order.push_back({column, false, false});
}

/// Gives `node` its partition, its order and what it promises, over an input that has the columns for them.
Result<Input> RelationBuilder::add_top_n(Input input, const std::vector<Expr>& partition,
                                         const std::vector<SortKey>& order, TopNNode node) {
  const size_t width = output_of(input).columns.size();
  std::vector<Expr> read = partition;
  for (const SortKey& key : order) read.push_back(key.by);
  std::vector<size_t> places;
  HEADRACE_TRY(check_repeatable(input, read));
  input = with_columns(input, read, places);
  const Output in = output_of(input);
  node.inputs = {input};
  node.partition.assign(places.begin(), places.begin() + static_cast<long>(partition.size()));
  for (size_t i = 0; i < order.size(); ++i) {
    const size_t column = places[partition.size() + i];
    // All rows of a partition agree in its columns.
    if (std::find(node.partition.begin(), node.partition.end(), column) == node.partition.end())
      node.order.push_back({column, order[i].descending, order[i].nulls_first});
  }
  node.order_written = node.order.size();
  node.keeps_all_rows = in.changelog != Changelog::append;
  node.emit_updates = emit_.updates();
  node.hold_at_end = emit_.holds_at_end();
  for (size_t column : node.partition)
    if (in.watermark && in.columns[column].role == TimeRole::window_end) node.window_end = column;
  const bool numbered = node.rank == TopNNode::Rank::row_number;
  const bool one = numbered && node.limit == 1;
  node.last_first = one && node.offset == 0 && !node.order.empty() && node.order[0].descending &&
                    in.columns[node.order[0].column].role == TimeRole::event_time;
  if (numbered) break_ties(input, node.order);

  const bool on_close = node.window_end && !node.emit_updates;
  Output& out = node.output;
  out = in;
  for (Column& column : out.columns)
    if (column.role == TimeRole::event_time || !node.window_end) column.role = TimeRole::none;
  out.watermark = node.window_end.has_value();
  out.key.clear();
  if (one || (numbered && node.rank_output)) out.key = node.partition;
  if (node.rank_output) {
    if (numbered && !one) out.key.push_back(out.columns.size());
    out.columns.push_back({"rank", LogicalType::BIGINT});
  }
  out.changelog = on_close ? Changelog::append : out.key.empty() ? Changelog::retract : Changelog::upsert;
  const bool with_rank = node.rank_output;
  const size_t all = out.columns.size();
  Input top = add(std::move(node));
  if (in.columns.size() == width) return top;
  std::vector<size_t> wanted(width);
  std::iota(wanted.begin(), wanted.end(), 0);
  if (with_rank) wanted.push_back(all - 1);
  return pick(top, wanted);
}

/// The column by whose time results can be given once: all functions order by it and none looks ahead.
std::optional<size_t> RelationBuilder::time_of_results(const BoundRelation& over, const Output& in) const {
  if (emit_.updates() || in.changelog != Changelog::append || !in.watermark) return std::nullopt;
  std::optional<size_t> time;
  for (const WindowCall& call : over.calls) {
    if (call.order.empty() || call.order[0].descending || !reach_of(call)) return std::nullopt;
    const std::optional<size_t> column = call.order[0].by.column();
    if (!column || (time && time != column)) return std::nullopt;
    time = column;
  }
  const TimeRole role = in.columns[*time].role;
  const bool is_time = role == TimeRole::event_time || role == TimeRole::window_time || role == TimeRole::window_end;
  return is_time ? time : std::nullopt;
}

/// One node per partition, order and kind of state, over `input`, which gets the columns that they read. `calls` says,
/// for each node, which of the relation's calls its functions are.
Result<std::vector<OverNode>> RelationBuilder::over_nodes(const BoundRelation& over, Input& input, bool in_time,
                                                          std::vector<std::vector<size_t>>& calls) {
  std::vector<Expr> read;
  std::vector<size_t> places;
  for (const WindowCall& call : over.calls) {
    HEADRACE_TRY(check_window_call(call));
    read.insert(read.end(), call.partition.begin(), call.partition.end());
    for (const SortKey& key : call.order) read.push_back(key.by);
    read.insert(read.end(), call.arguments.begin(), call.arguments.end());
    for (const SortKey& key : call.argument_order) read.push_back(key.by);
    if (!call.filter.empty()) read.push_back(call.filter);
  }
  HEADRACE_TRY(check_repeatable(input, read));
  input = with_columns(input, read, places);
  std::vector<OverNode> out;
  auto place = places.begin();
  auto order_of = [&](const std::vector<SortKey>& keys) {
    std::vector<OrderColumn> columns;
    for (const SortKey& key : keys) columns.push_back({*place++, key.descending, key.nulls_first});
    return columns;
  };
  for (size_t index = 0; index < over.calls.size(); ++index) {
    const WindowCall& call = over.calls[index];
    OverNode node;
    for (size_t i = 0; i < call.partition.size(); ++i) node.partition.push_back(*place++);
    node.order = order_of(call.order);
    node.order_written = node.order.size();
    OverFunction function;
    function.call = call;
    for (size_t i = 0; i < call.arguments.size(); ++i) function.arguments.push_back(*place++);
    function.argument_order = order_of(call.argument_order);
    if (!call.filter.empty()) function.filter = *place++;
    if (std::optional<AggregateKind> total = total_of(call)) function.total = *total;
    const Reach reach = in_time ? *reach_of(call) : Reach{};
    node.keeps = reach.keeps;
    node.kept = reach.kept;
    auto same = std::find_if(out.begin(), out.end(), [&](const OverNode& other) {
      return other.partition == node.partition && other.order == node.order && other.keeps == node.keeps;
    });
    if (same == out.end()) same = out.insert(out.end(), std::move(node));
    same->kept = std::max(same->kept, reach.kept);
    same->functions.push_back(std::move(function));
    calls.resize(out.size());
    calls[static_cast<size_t>(same - out.begin())].push_back(index);
  }
  return out;
}

/// Adds `node`, whose functions are over columns of `input`: results in time, or results that change.
Input RelationBuilder::finish_over(Input input, OverNode node) {
  const Output in = output_of(input);
  Output& out = node.output;
  node.inputs = {input};
  node.hold_at_end = emit_.holds_at_end();
  out = in;
  if (node.time) {
    // Rows come out at the time by which they are ordered: another event time may lie behind it.
    if (in.columns[*node.time].role != TimeRole::event_time)
      for (Column& column : out.columns)
        if (column.role == TimeRole::event_time) column.role = TimeRole::none;
  } else {
    break_ties(input, node.order);
    out.watermark = false;
    for (Column& column : out.columns) column.role = TimeRole::none;
    // An update stays one where it does not move to another partition.
    const bool stays = std::all_of(node.partition.begin(), node.partition.end(), [&](size_t column) {
      return std::find(in.key.begin(), in.key.end(), column) != in.key.end();
    });
    if (!stays) out.key.clear();
    out.changelog = out.key.empty() ? Changelog::retract : Changelog::upsert;
  }
  for (const OverFunction& function : node.functions)
    out.columns.push_back({function.call.function, function.call.type});
  return add(std::move(node));
}

/// The rows of a relation with window functions that meet all of `parts`; bounds of a rank make it a Top-N.
Result<Input> RelationBuilder::build_over(const BoundRelation& relation, const std::vector<Expr>& parts) {
  HEADRACE_ASSIGN(Input input, build(*relation.inputs[0]));
  const size_t width = output_of(input).columns.size();
  const std::optional<size_t> time = time_of_results(relation, output_of(input));
  const WindowCall& call = relation.calls[0];
  const bool ranks = relation.calls.size() == 1 && (call.function == "row_number" || call.function == "rank");
  std::vector<Expr> rest;
  const RankBounds bounds = ranks ? rank_bounds(parts, relation.columns.size(), rest) : RankBounds{};
  // With EMIT ON WINDOW CLOSE rows in order of time are numbered once and for all, and filtered above.
  if (bounds.last < max_rank && !(emit_.kind == Emit::on_window_close && time)) {
    TopNNode node;
    node.rank = call.function == "rank" ? TopNNode::Rank::rank : TopNNode::Rank::row_number;
    node.offset = bounds.first - 1;
    node.limit = std::max<int64_t>(bounds.last - node.offset, 0);
    HEADRACE_ASSIGN(Input top, add_top_n(input, call.partition, call.order, std::move(node)));
    return filter(top, rest);
  }
  if (time) {
    // A row is late when the watermark has reached its time: as for a window of one millisecond.
    WindowSpec moment;
    moment.time_column = *time;
    moment.size_ms = moment.slide_ms = 1;
    const Output in = output_of(input);
    HEADRACE_ASSIGN(input,
                    split_late(input, *relation.inputs[0], moment, "OVER(ORDER BY " + in.columns[*time].name + ")"));
  }
  std::vector<std::vector<size_t>> calls;
  HEADRACE_ASSIGN(std::vector<OverNode> nodes, over_nodes(relation, input, time.has_value(), calls));
  std::vector<size_t> wanted(width);
  std::iota(wanted.begin(), wanted.end(), 0);
  wanted.resize(width + relation.calls.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    // Each node adds its columns behind those of the one before.
    size_t next = output_of(input).columns.size();
    for (size_t call : calls[i]) wanted[width + call] = next++;
    nodes[i].time = time;
    input = finish_over(input, std::move(nodes[i]));
  }
  return filter(pick(input, wanted), parts);
}

Result<Input> RelationBuilder::build_limit(const BoundRelation& relation) {
  HEADRACE_ASSIGN(Input input, build(*relation.inputs[0]));
  if (!relation.limit) return unsupported("OFFSET needs a LIMIT in a pipeline", "add LIMIT n");
  if (*relation.limit > max_rank - relation.offset)
    return unsupported("LIMIT and OFFSET together may not exceed 2147483648", "leave them out");
  TopNNode node;
  node.offset = relation.offset;
  node.limit = *relation.limit;
  node.rank_output = false;
  return add_top_n(input, {}, relation.order, std::move(node));
}

Result<Input> RelationBuilder::build_distinct_on(const BoundRelation& relation) {
  HEADRACE_ASSIGN(Input input, build(*relation.inputs[0]));
  TopNNode node;
  node.limit = 1;
  node.rank_output = false;
  return add_top_n(input, relation.expressions, relation.order, std::move(node));
}

}  // namespace headrace
