// The values of groups, for aggregates that need them all: a table keyed by group and value, with how often each is
// held, chained per group. Takes values back as well as in. For FIRST and LAST a value's arrival is kept, too.
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

/// Which of a group's values is asked for: all, the one that arrived first or last, the least or the greatest text. Of
/// a value that is held more than once, first and last keep its first and last arrival.
enum class Wanted : uint8_t { all, first, last, least, greatest };

class Bag {
 public:
  /// `number` names the table; `key` are the groups' key columns, `values` the columns of a value. `one`: no
  /// other value than the one asked for is kept; for inputs that take nothing back.
  Bag(size_t number, const std::vector<LogicalType>& key, std::vector<LogicalType> values, Wanted wanted = Wanted::all,
      bool one = false);

  /// Adds the rows `rows` of `batch` (its columns `columns`), by their diffs, to the groups `slots` (one per row of the
  /// batch). `keys` are the groups' keys, the heads stand at `head_offset` of their plain bytes.
  void update(Table& groups, size_t head_offset, const Slot* slots, Batch& batch, const std::vector<size_t>& columns,
              DataChunk& keys, const std::vector<uint32_t>& rows);
  /// Appends the rows of a group's values, each as often as it is held; `distinct`: once.
  void collect(const BagHead& head, bool distinct, std::vector<const char*>& out) const;
  /// The row of the one value that is asked for, over these groups; null when they hold none.
  const char* wanted(const std::vector<const BagHead*>& heads) const;
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

  int64_t& arrived(Slot slot) { return *reinterpret_cast<int64_t*>(values_.plain(slot) + sizeof(Link)); }
  int64_t read_arrived(Slot slot) const {
    return *reinterpret_cast<const int64_t*>(values_.read_plain(slot) + sizeof(Link));
  }
  bool keeps_arrival() const { return wanted_ == Wanted::first || wanted_ == Wanted::last; }
  bool is_earlier(int64_t a, int64_t b) const { return wanted_ == Wanted::last ? a > b : a < b; }
  bool is_better(Slot a, Slot b) const;
  Slot best(const BagHead& head) const;
  void keep_best(BagHead& head);
  Link& link(Slot slot) { return *reinterpret_cast<Link*>(values_.plain(slot)); }
  const Link& read_link(Slot slot) const { return *reinterpret_cast<const Link*>(values_.read_plain(slot)); }
  void attach(BagHead& head, Slot slot);
  void detach(BagHead& head, Slot slot);

  size_t group_columns_;
  std::vector<LogicalType> types_;
  Wanted wanted_;
  bool one_;
  int64_t next_arrival_ = 1;
  Table values_;
};

}  // namespace headrace
