#include "ops/joins.h"

#include <algorithm>

#include "ops/failing.h"
#include "ops/keys.h"

namespace headrace {
namespace {

/// The stream's rows `left` beside the table's rows `right`.
Batch side_by_side(Batch& stream, const std::vector<uint32_t>& left, const StaticTable& table,
                   const std::vector<std::optional<StaticRow>>& right, const SchemaRef& schema) {
  Batch rows = stream.slice(left);
  Batch out = Batch::make(schema, left.size());
  const size_t width = rows.chunk.ColumnCount();
  for (size_t i = 0; i < width; ++i) out.chunk.data[i].Reference(rows.chunk.data[i]);
  for (size_t i = width; i < schema->size(); ++i) table.gather(i - width, right, out.chunk.data[i]);
  out.chunk.SetCardinality(left.size());
  out.diffs = std::move(rows.diffs);
  out.stamps_ms = std::move(rows.stamps_ms);
  out.ordinal = rows.ordinal;
  return out;
}

}  // namespace

LookupJoinOperator::LookupJoinOperator(const LookupJoinNode& node, const OperatorContext& context)
    : node_(node), schema_(node.output.schema()), table_(node.right_keys) {
  if (!node.residual.empty()) residual_.emplace(context.evaluation, std::vector<Expr>{node.residual}, failing_of(node));
}

/// Emits the pairs that meet the further condition; notes which stream rows found a partner.
Result<> LookupJoinOperator::flush(Batch& stream, Pairs& pairs, std::vector<uint8_t>& matched, Emitter& out) {
  if (pairs.left.empty()) return {};
  Batch batch = side_by_side(stream, pairs.left, table_, pairs.right, schema_);
  std::vector<uint32_t> kept;
  if (residual_) {
    HEADRACE_TRY(residual_->select(batch, kept, [&](uint32_t row, const Error& reason) {
      out.reject(batch, row, reason);
      ++out.counters.quarantined;
    }));
  } else {
    kept.resize(pairs.left.size());
    for (uint32_t i = 0; i < kept.size(); ++i) kept[i] = i;
  }
  for (uint32_t row : kept) matched[pairs.left[row]] = 1;
  const bool all = kept.size() == pairs.left.size();
  pairs.left.clear();
  pairs.right.clear();
  if (kept.empty()) return {};
  return out.emit(all ? std::move(batch) : batch.slice(kept), 0);
}

Result<> LookupJoinOperator::on_batch(uint32_t input, Batch batch, Emitter& out) {
  if (input == 1) {
    out.counters.passed += batch.rows();
    table_.add(std::move(batch));
    return {};
  }
  const size_t rows = static_cast<size_t>(batch.rows());
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  take_keys(batch, node_.left_keys, keys, hashes);
  keys.Flatten();
  Pairs pairs;
  std::vector<uint8_t> matched(rows);
  std::vector<StaticRow> found;
  for (size_t row = 0; row < rows; ++row) {
    table_.find(keys, row, hashes[row], node_.null_safe, found);
    for (const StaticRow& partner : found) {
      pairs.left.push_back(static_cast<uint32_t>(row));
      pairs.right.push_back(partner);
      if (static_cast<int64_t>(pairs.left.size()) == rows_per_batch) HEADRACE_TRY(flush(batch, pairs, matched, out));
    }
  }
  HEADRACE_TRY(flush(batch, pairs, matched, out));
  std::vector<uint32_t> alone;
  for (uint32_t row = 0; row < rows; ++row)
    if (!matched[row]) alone.push_back(row);
  if (node_.join == JoinKind::inner) {
    out.counters.filtered += static_cast<int64_t>(alone.size());
    out.counters.passed += static_cast<int64_t>(rows - alone.size());
    return {};
  }
  out.counters.passed += static_cast<int64_t>(rows);
  if (alone.empty()) return {};
  std::vector<std::optional<StaticRow>> nothing(alone.size());
  return out.emit(side_by_side(batch, alone, table_, nothing, schema_), 0);
}

AsofJoinOperator::AsofJoinOperator(const AsofJoinNode& node, const OperatorContext&)
    : node_(node), schema_(node.output.schema()), table_(node.right_keys) {}

Result<> AsofJoinOperator::on_end(uint32_t input, Emitter&) {
  if (input != 1) return {};
  for (const auto& [hash, rows] : table_.index()) {
    std::vector<StaticRow>& sorted = sorted_[hash];
    for (const StaticRow& row : rows)
      if (!table_.batch(row.batch).chunk.data[node_.right_order].GetValue(row.row).IsNull()) sorted.push_back(row);
    // Stable: of rows with equal order the later arrival stands last.
    std::stable_sort(sorted.begin(), sorted.end(), [&](const StaticRow& a, const StaticRow& b) {
      return table_.batch(a.batch).chunk.data[node_.right_order].GetValue(a.row) <
             table_.batch(b.batch).chunk.data[node_.right_order].GetValue(b.row);
    });
  }
  return {};
}

std::optional<StaticRow> AsofJoinOperator::nearest(const DataChunk& keys, size_t row, uint64_t hash,
                                                   const duckdb::Value& at) const {
  auto found = sorted_.find(hash);
  if (found == sorted_.end() || at.IsNull()) return std::nullopt;
  const std::vector<StaticRow>& rows = found->second;
  auto order_of = [&](const StaticRow& r) {
    return table_.batch(r.batch).chunk.data[node_.right_order].GetValue(r.row);
  };
  auto same_key = [&](const StaticRow& r) {
    for (size_t i = 0; i < node_.right_keys.size(); ++i) {
      duckdb::Value mine = keys.data[i].GetValue(row),
                    theirs = table_.batch(r.batch).chunk.data[node_.right_keys[i]].GetValue(r.row);
      if (mine.IsNull() || theirs.IsNull() || mine != theirs) return false;
    }
    return true;
  };
  const bool backward = node_.comparison == Comparison::greater_equal || node_.comparison == Comparison::greater;
  const bool with_equal = node_.comparison == Comparison::greater_equal || node_.comparison == Comparison::less_equal;
  auto first_after =
      backward == with_equal
          ? std::upper_bound(rows.begin(), rows.end(), at,
                             [&](const duckdb::Value& v, const StaticRow& r) { return v < order_of(r); })
          : std::lower_bound(rows.begin(), rows.end(), at,
                             [&](const StaticRow& r, const duckdb::Value& v) { return order_of(r) < v; });
  // Rows of another key may share the hash: look on until the key is ours.
  if (backward) {
    while (first_after != rows.begin())
      if (same_key(*--first_after)) return *first_after;
    return std::nullopt;
  }
  for (; first_after != rows.end(); ++first_after)
    if (same_key(*first_after)) return *first_after;
  return std::nullopt;
}

Result<> AsofJoinOperator::on_batch(uint32_t input, Batch batch, Emitter& out) {
  if (input == 1) {
    out.counters.passed += batch.rows();
    table_.add(std::move(batch));
    return {};
  }
  const size_t rows = static_cast<size_t>(batch.rows());
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  take_keys(batch, node_.left_keys, keys, hashes);
  std::vector<uint32_t> left;
  std::vector<std::optional<StaticRow>> right;
  for (uint32_t row = 0; row < rows; ++row) {
    std::optional<StaticRow> partner =
        nearest(keys, row, hashes[row], batch.chunk.data[node_.left_order].GetValue(row));
    if (!partner && node_.join == JoinKind::inner) {
      ++out.counters.filtered;
      continue;
    }
    ++out.counters.passed;
    left.push_back(row);
    right.push_back(partner);
  }
  if (left.empty()) return {};
  return out.emit(side_by_side(batch, left, table_, right, schema_), 0);
}

}  // namespace headrace
