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
  /// Remembers rows. `keys` are the groups' keys and `slots` their rows in `groups`, of all rows of the batch.
  void add(Batch& batch, DataChunk& keys, const Table& groups, const Slot* slots, const std::vector<uint32_t>& rows);
  /// Appends those of `rows` that were refused to `out`, each as often as it was, and forgets them.
  void take(Batch& batch, DataChunk& keys, const Table& groups, const Slot* slots, const std::vector<uint32_t>& rows,
            std::vector<uint32_t>& out);

  Table& table() { return table_; }

 private:
  int64_t& times(Slot slot) { return *reinterpret_cast<int64_t*>(table_.plain(slot)); }
  void key_of(Batch& batch, DataChunk& keys, const Table& groups, const Slot* slots, const std::vector<uint32_t>& rows,
              DataChunk& out, uint64_t* hashes) const;

  std::vector<size_t> columns_;  ///< Of the batch.
  Table table_;
};

}  // namespace headrace
