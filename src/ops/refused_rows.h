// The rows that an aggregation has refused because a sum would have overflowed: whether it does depends on the rows
// before, so that a row taken back could not be known by itself to have been refused.
#pragma once

#include <vector>

#include "data/batch.h"
#include "plan/nodes.h"
#include "state/table.h"

namespace headrace {

/// State: table "refused", keyed by the group and what the aggregates read of the row, with how often it was refused.
/// One thread.
class RefusedRows {
 public:
  RefusedRows(const std::vector<Aggregate>& aggregates, const std::vector<LogicalType>& key);

  bool any() const { return table_.rows() > 0; }
  /// Remembers a row. `keys` are the groups' keys of the batch, `group` is the hash of the row's group.
  void add(Batch& batch, DataChunk& keys, uint64_t group, uint32_t row);
  /// True when the row takes back one that was refused; that is forgotten.
  bool take(Batch& batch, DataChunk& keys, uint64_t group, uint32_t row);

  Table& table() { return table_; }

 private:
  int64_t& times(Slot slot) { return *reinterpret_cast<int64_t*>(table_.plain(slot)); }
  uint64_t key_of(Batch& batch, DataChunk& keys, uint64_t group, uint32_t row, DataChunk& out) const;

  std::vector<size_t> columns_;  ///< Of the batch.
  Table table_;
};

}  // namespace headrace
