// The values of groups, for aggregates that need them all: a table keyed by group and value, with how often each is
// held, chained per group. Takes values back as well as in.
#pragma once

#include <vector>

#include "data/batch.h"
#include "state/table.h"

namespace headrace {

/// Where a group's chain begins. Lies in the group's plain bytes, which start as zeros: no values.
struct BagHead {
  Slot first_plus_one;
  uint32_t unused;
  int64_t distinct;
};

class Bag {
 public:
  /// `number` names the table; `key` are the groups' key columns, `values` the columns of a value.
  Bag(size_t number, const std::vector<LogicalType>& key, std::vector<LogicalType> values);

  /// Adds the rows `rows` of `batch` (its columns `columns`), by their diffs, to the groups `slots` (one per row of the
  /// batch). `keys` are the groups' keys, the heads stand at `head_offset` of their plain bytes.
  void update(Table& groups, size_t head_offset, const Slot* slots, Batch& batch, const std::vector<size_t>& columns,
              DataChunk& keys, const std::vector<uint32_t>& rows);
  /// Appends the rows of a group's values, each as often as it is held; `distinct`: once.
  void collect(const BagHead& head, bool distinct, std::vector<const char*>& out) const;
  /// The columns of what collect() gave. `out` is made here.
  void gather(const std::vector<const char*>& rows, DataChunk& out) const;
  /// Moves all values of group `from` to group `into`.
  void merge(Table& groups, size_t head_offset, Slot into, Slot from);
  /// Lets all values of a group go.
  void erase(const BagHead& head);
  /// Chains the values of loaded tables to their groups again, unless all kept their slots, and so their chains.
  void restored(Table& groups, size_t head_offset);

  Table& table() { return values_; }

 private:
  struct Link {
    int64_t count;
    Slot next_plus_one, previous_plus_one;
  };

  Link& link(Slot slot) { return *reinterpret_cast<Link*>(values_.plain(slot)); }
  const Link& read_link(Slot slot) const { return *reinterpret_cast<const Link*>(values_.read_plain(slot)); }
  void attach(BagHead& head, Slot slot);
  void detach(BagHead& head, Slot slot);

  size_t group_columns_;
  std::vector<LogicalType> types_;
  Table values_;
};

}  // namespace headrace
