#include "ops/over_query.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace {
namespace {

/// Writes the functions of a node as SQL. c0 is the partition's number; n numbers all rows as they stand in their
/// partitions.
class FunctionText {
 public:
  explicit FunctionText(const OverNode& node) : node_(node) {}

  /// The input's columns that the text reads, from c1 on.
  std::vector<size_t> columns;
  /// Peers count for a frame of rows: among them, too, the rows must stand in their order.
  bool orders_peers = false;

  std::string text(const OverFunction& function) {
    const WindowCall& call = function.call;
    const bool by_place = is_by_place(call), among_peers = by_place && leaves_out_peers(call);
    std::string out = call.function == "count_star" ? "count" : call.function;
    out += "(" + arguments(function, by_place) + ")";
    if (function.filter) out += " FILTER (WHERE " + column(*function.filter) + ")";
    orders_peers = orders_peers || among_peers;
    out += " OVER (PARTITION BY c0 " + (by_place && !among_peers ? "ORDER BY n" : by_order());
    if (has_frame(call)) out += frame(call.frame);
    return fmt::format("({}))::{}", out, call.type.ToString());
  }

  /// A function that brings peers into their order for the others: DuckDB sorts once for all whose orders begin alike,
  /// by the longest.
  std::string order_of_peers() {
    const std::string items = by_order();
    return "row_number() OVER (PARTITION BY c0 " + items + (items.empty() ? "ORDER BY n)" : ", n)");
  }

 private:
  static bool picks_a_row(const WindowCall& call) {
    return call.function == "first_value" || call.function == "last_value" || call.function == "nth_value";
  }
  static bool is_rank(const WindowCall& call) {
    return call.function == "rank" || call.function == "dense_rank" || call.function == "percent_rank" ||
           call.function == "cume_dist";
  }
  static bool is_numbered(const WindowCall& call) {
    return call.function == "row_number" || call.function == "ntile" || call.function == "lag" ||
           call.function == "lead";
  }
  static bool has_frame(const WindowCall& call) { return !is_rank(call) && !is_numbered(call); }
  static bool leaves_out_peers(const WindowCall& call) {
    return has_frame(call) && (call.frame.exclude == "EXCLUDE GROUP" || call.frame.exclude == "EXCLUDE TIES");
  }
  /// True where rows count one by one, in their order.
  static bool is_by_place(const WindowCall& call) {
    return is_numbered(call) || (has_frame(call) && call.frame.unit == Frame::Unit::rows);
  }

  std::string column(size_t of_input) {
    auto found = std::find(columns.begin(), columns.end(), of_input);
    if (found == columns.end()) found = columns.insert(columns.end(), of_input);
    return "c" + std::to_string(found - columns.begin() + 1);
  }

  std::string arguments(const OverFunction& function, bool by_place) {
    const WindowCall& call = function.call;
    if (call.function == "count_star") return "*";
    std::string out = call.distinct ? "DISTINCT " : "";
    for (size_t i = 0; i < function.arguments.size(); ++i) out += (i ? ", " : "") + column(function.arguments[i]);
    std::string order_by = order(function.argument_order, function.argument_order.size());
    // Peers have an order too: that of their arrival.
    if (!order_by.empty() || (picks_a_row(call) && !by_place)) order_by += order_by.empty() ? " ORDER BY n" : ", n";
    return out + order_by + (call.ignore_nulls ? " IGNORE NULLS" : "");
  }

  std::string by_order() { return order(node_.order, node_.order_written); }

  std::string order(const std::vector<OrderColumn>& items, size_t count) {
    std::string out;
    for (size_t i = 0; i < count; ++i)
      out += fmt::format("{}{}{}{}", i ? ", " : " ORDER BY ", column(items[i].column),
                         items[i].descending ? " DESC" : " ASC", items[i].nulls_first ? " NULLS FIRST" : " NULLS LAST");
    return out;
  }

  static std::string bound(const Frame::Bound& bound) {
    switch (bound.end) {
      case Frame::End::unbounded_preceding:
        return "UNBOUNDED PRECEDING";
      case Frame::End::preceding:
        return bound.text + " PRECEDING";
      case Frame::End::current_row:
        return "CURRENT ROW";
      case Frame::End::following:
        return bound.text + " FOLLOWING";
      case Frame::End::unbounded_following:
        break;
    }
    return "UNBOUNDED FOLLOWING";
  }

  static std::string frame(const Frame& frame) {
    constexpr const char* units[] = {"ROWS", "RANGE", "GROUPS"};
    return fmt::format(" {} BETWEEN {} AND {} {}", units[static_cast<int>(frame.unit)], bound(frame.start),
                       bound(frame.stop), frame.exclude);
  }

  const OverNode& node_;
};

}  // namespace

OverQuery::OverQuery(const OverNode& node, const OperatorContext& context) {
  FunctionText text(node);
  std::vector<std::string> functions;
  for (const OverFunction& function : node.functions) {
    functions.push_back(text.text(function));
    result_types_.push_back(function.call.type);
  }
  if (text.orders_peers) functions.push_back(text.order_of_peers());
  columns_ = text.columns;
  types_.push_back(LogicalType::BIGINT);
  for (size_t column : columns_) types_.push_back(node.output.columns[column].type);
  query_.emplace(context.evaluation, types_, functions);
}

void OverQuery::add(const std::vector<Slot>& rows) {
  rows_.insert(rows_.end(), rows.begin(), rows.end());
  partitions_.insert(partitions_.end(), rows.size(), next_partition_++);
}

void OverQuery::clear() {
  rows_.clear();
  partitions_.clear();
  next_partition_ = 0;
}

Result<> OverQuery::run(const RankedRows& from, std::vector<Vector>& results) {
  DataChunk chunk;
  chunk.Initialize(duckdb::Allocator::DefaultAllocator(), {types_.begin(), types_.end()});
  for (size_t at = 0; at < rows_.size(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, rows_.size() - at);
    chunk.Reset();
    std::copy_n(&partitions_[at], count, duckdb::FlatVector::GetData<int64_t>(chunk.data[0]));
    for (size_t i = 0; i < columns_.size(); ++i) from.rows().gather(columns_[i], &rows_[at], count, chunk.data[i + 1]);
    chunk.SetCardinality(count);
    HEADRACE_TRY(query_->add(chunk));
  }
  results.clear();
  for (const LogicalType& type : result_types_) results.emplace_back(type, std::max<size_t>(rows_.size(), 1));
  size_t filled = 0;
  return query_->run([&](DataChunk& values) -> Result<> {
    for (size_t i = 0; i < results.size(); ++i)
      duckdb::VectorOperations::Copy(values.data[i], results[i], values.size(), 0, filled);
    filled += values.size();
    return {};
  });
}

}  // namespace headrace
