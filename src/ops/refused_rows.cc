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

void RefusedRows::key_of(Batch& batch, DataChunk& keys, const Table& groups, const Slot* slots,
                         const std::vector<uint32_t>& rows, DataChunk& out, uint64_t* hashes) const {
  duckdb::SelectionVector selection(const_cast<uint32_t*>(rows.data()));
  out.InitializeEmpty({table_.spec().key.begin(), table_.spec().key.end()});
  const size_t width = out.ColumnCount() - columns_.size();
  for (size_t i = 0; i < width; ++i) out.data[i].Slice(keys.data[i], selection, rows.size());
  for (size_t i = 0; i < columns_.size(); ++i)
    out.data[width + i].Slice(batch.chunk.data[columns_[i]], selection, rows.size());
  out.SetCardinality(rows.size());
  hash_rows(out, hashes);
  for (size_t i = 0; i < rows.size(); ++i) hashes[i] = beside_group(groups.hash(slots[rows[i]]), hashes[i]);
}

void RefusedRows::add(Batch& batch, DataChunk& keys, const Table& groups, const Slot* slots,
                      const std::vector<uint32_t>& rows) {
  if (rows.empty()) return;
  DataChunk wanted;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  key_of(batch, keys, groups, slots, rows, wanted, hashes);
  Slot found[STANDARD_VECTOR_SIZE];
  uint8_t created[STANDARD_VECTOR_SIZE];
  table_.find_or_create(wanted, hashes, rows.size(), found, created);
  for (size_t i = 0; i < rows.size(); ++i) times(found[i]) += batch.diff(rows[i]);
}

void RefusedRows::take(Batch& batch, DataChunk& keys, const Table& groups, const Slot* slots,
                       const std::vector<uint32_t>& rows, std::vector<uint32_t>& out) {
  if (rows.empty()) return;
  DataChunk wanted;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  key_of(batch, keys, groups, slots, rows, wanted, hashes);
  Slot found[STANDARD_VECTOR_SIZE];
  table_.find(wanted, hashes, rows.size(), found);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (found[i] == missing_slot || !table_.is_used(found[i])) continue;
    out.push_back(rows[i]);
    times(found[i]) += batch.diff(rows[i]);
    if (times(found[i]) <= 0) table_.erase(found[i]);
  }
}

}  // namespace headrace
