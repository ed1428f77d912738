// Top-N, deduplication, LIMIT and window functions.
#include <algorithm>
#include <numeric>

#include "duck/conjunction.h"
#include "plan/relation_builder.h"

namespace headrace {
namespace {

using Kind = BoundRelation::Kind;

Error unsupported(const std::string& what, const std::string& remedy) {
  return user_error(Code::unsupported_sql, what).with_remedy(remedy);
}

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

Comparison turned(Comparison comparison) {
  switch (comparison) {
    case Comparison::less:
      return Comparison::greater;
    case Comparison::less_equal:
      return Comparison::greater_equal;
    case Comparison::greater:
      return Comparison::less;
    case Comparison::greater_equal:
      return Comparison::less_equal;
    default:
      return comparison;
  }
}

/// The bound that `condition` sets to the column, when that is all it says.
bool narrow_by(RankBounds& ranks, const BoundRelation::Condition& condition, size_t rank_column) {
  if (condition.comparison == Comparison::not_distinct || condition.comparison == Comparison::not_equal ||
      condition.comparison == Comparison::other)
    return false;
  const bool left = condition.left.column() == rank_column;
  if (!left && condition.right.column() != rank_column) return false;
  std::optional<int64_t> bound = constant_integer(left ? condition.right : condition.left);
  if (bound) narrow(ranks, left ? condition.comparison : turned(condition.comparison), *bound);
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

/// Gives `node` its partition, its order and what it promises, over an input that has the columns for them.
Input RelationBuilder::add_top_n(Input input, const std::vector<Expr>& partition, const std::vector<SortKey>& order,
                                 TopNNode node) {
  const size_t width = output_of(input).columns.size();
  std::vector<Expr> read = partition;
  for (const SortKey& key : order) read.push_back(key.by);
  std::vector<size_t> places;
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
  node.emit_updates = emit_updates_;
  node.hold_at_end = hold_at_end_;
  for (size_t column : node.partition)
    if (in.watermark && in.columns[column].role == TimeRole::window_end) node.window_end = column;
  const bool numbered = node.rank == TopNNode::Rank::row_number;
  const bool one = numbered && node.limit == 1;
  node.last_first = one && node.offset == 0 && !node.order.empty() && node.order[0].descending &&
                    in.columns[node.order[0].column].role == TimeRole::event_time;
  if (numbered && !keeps_arrival(input)) {
    std::vector<size_t> rest = in.key;
    if (rest.empty()) {
      rest.resize(in.columns.size());
      std::iota(rest.begin(), rest.end(), 0);
    }
    for (size_t column : rest) node.order.push_back({column, false, false});
  }

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

/// The rows of a relation with window functions that meet all of `parts`; bounds of a rank make it a Top-N.
Result<Input> RelationBuilder::build_over(const BoundRelation& relation, const std::vector<Expr>& parts) {
  HEADRACE_ASSIGN(Input input, build(*relation.inputs[0]));
  const WindowCall& call = relation.calls[0];
  const bool ranks = relation.calls.size() == 1 && (call.function == "row_number" || call.function == "rank");
  std::vector<Expr> rest;
  const RankBounds bounds = ranks ? rank_bounds(parts, relation.columns.size(), rest) : RankBounds{};
  if (bounds.last < max_rank) {
    TopNNode node;
    node.rank = call.function == "rank" ? TopNNode::Rank::rank : TopNNode::Rank::row_number;
    node.offset = bounds.first - 1;
    node.limit = std::max<int64_t>(bounds.last - node.offset, 0);
    return filter(add_top_n(input, call.partition, call.order, std::move(node)), rest);
  }
  return unsupported("OVER is not supported yet", "write a Top-N: ROW_NUMBER() OVER (...) with WHERE rank <= n above");
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
