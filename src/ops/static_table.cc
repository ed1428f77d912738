#include "ops/static_table.h"

#include "ops/keys.h"

namespace headrace {
namespace {

bool equal_value(const Vector& a, size_t row_a, const Vector& b, size_t row_b, bool null_safe) {
  duckdb::Value x = a.GetValue(row_a), y = b.GetValue(row_b);
  if (x.IsNull() || y.IsNull()) return null_safe && x.IsNull() && y.IsNull();
  return x == y;
}

}  // namespace

void StaticTable::add(Batch batch) {
  Batch own = batch.copy();  // It may reference another's memory.
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  DataChunk keys;
  take_keys(own, key_, keys, hashes);
  for (uint32_t row = 0; row < own.chunk.size(); ++row)
    index_[hashes[row]].push_back({static_cast<uint32_t>(batches_.size()), row});
  rows_ += own.chunk.size();
  batches_.push_back(std::move(own));
}

void StaticTable::find(const DataChunk& probe, size_t row, uint64_t hash, const std::vector<bool>& null_safe,
                       std::vector<StaticRow>& out) const {
  out.clear();
  auto found = index_.find(hash);
  if (found == index_.end()) return;
  for (const StaticRow& candidate : found->second) {
    bool same = true;
    for (size_t i = 0; i < key_.size() && same; ++i)
      same =
          equal_value(batches_[candidate.batch].chunk.data[key_[i]], candidate.row, probe.data[i], row, null_safe[i]);
    if (same) out.push_back(candidate);
  }
}

void StaticTable::gather(size_t column, const std::vector<std::optional<StaticRow>>& rows, Vector& out) const {
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!rows[i])
      duckdb::FlatVector::SetNull(out, i, true);
    else
      duckdb::VectorOperations::Copy(batches_[rows[i]->batch].chunk.data[column], out, rows[i]->row + 1, rows[i]->row,
                                     i);
  }
}

}  // namespace headrace
