#include "ops/refused_rows.h"

#include "duck/rows.h"
#include "ops/keys.h"

namespace headrace {
namespace {

TableSpec refused_spec(const std::vector<Aggregate>& aggregates, const std::vector<LogicalType>& key) {
  TableSpec out;
  out.name = "refused";
  out.key = key;
  for (const Aggregate& aggregate : aggregates) {
    for (size_t i = 0; i < aggregate.sorted_by; ++i) out.key.push_back(aggregate.call.order[i].by.type());
    for (const Expr& argument : aggregate.call.arguments) out.key.push_back(argument.type());
    if (aggregate.filter) out.key.push_back(LogicalType::BOOLEAN);
  }
  out.plain_bytes = sizeof(int64_t);
  return out;
}

}  // namespace

RefusedRows::RefusedRows(const std::vector<Aggregate>& aggregates, const std::vector<LogicalType>& key)
    : table_(refused_spec(aggregates, key)) {
  for (const Aggregate& aggregate : aggregates) {
    columns_.insert(columns_.end(), aggregate.arguments.begin(), aggregate.arguments.end());
    if (aggregate.filter) columns_.push_back(*aggregate.filter);
  }
}

/// Makes `out` the row's key, and gives its hash.
uint64_t RefusedRows::key_of(Batch& batch, DataChunk& keys, uint64_t group, uint32_t row, DataChunk& out) const {
  duckdb::SelectionVector selection(row, 1);
  out.InitializeEmpty({table_.spec().key.begin(), table_.spec().key.end()});
  const size_t width = out.ColumnCount() - columns_.size();
  for (size_t i = 0; i < width; ++i) out.data[i].Slice(keys.data[i], selection, 1);
  for (size_t i = 0; i < columns_.size(); ++i) out.data[width + i].Slice(batch.chunk.data[columns_[i]], selection, 1);
  out.SetCardinality(1);
  uint64_t hash[STANDARD_VECTOR_SIZE];
  hash_rows(out, hash);
  return beside_group(group, hash[0]);
}

void RefusedRows::add(Batch& batch, DataChunk& keys, uint64_t group, uint32_t row) {
  DataChunk key;
  const uint64_t hash = key_of(batch, keys, group, row, key);
  Slot slot;
  uint8_t created;
  table_.find_or_create(key, &hash, 1, &slot, &created);
  times(slot) += batch.diff(row);
}

bool RefusedRows::take(Batch& batch, DataChunk& keys, uint64_t group, uint32_t row) {
  if (table_.rows() == 0) return false;
  DataChunk key;
  const uint64_t hash = key_of(batch, keys, group, row, key);
  Slot slot;
  table_.find(key, &hash, 1, &slot);
  if (slot == missing_slot) return false;
  times(slot) += batch.diff(row);
  if (times(slot) <= 0) table_.erase(slot);
  return true;
}

}  // namespace headrace
