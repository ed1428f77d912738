// The rows of windowed aggregation: one per group and slice (or window), found by key and by their bounds.
#pragma once

#include <compare>
#include <map>
#include <vector>

#include "ops/accumulators.h"

namespace headrace {

/// Of a slice or a window, in ms: [start, end).
struct Bounds {
  int64_t start, end;
  auto operator<=>(const Bounds&) const = default;
};

/// A table whose key is the groups' columns, then the bounds; its plain bytes hold, beside the accumulators, the hash
/// of the group. One thread.
class SliceTable {
 public:
  SliceTable(TableSpec spec, size_t hash_offset) : table(std::move(spec)), hash_offset_(hash_offset) {}

  /// Fills `keys` with the columns of `groups` and the bounds, which must outlive it, and finds or makes their rows.
  /// `groups` may have more columns than the key has.
  void find_or_create(DataChunk& groups, const uint64_t* group_hashes, int64_t* starts, int64_t* ends, size_t count,
                      DataChunk& keys, Slot* slots, uint8_t* created);
  /// Makes the row of another end; it must be missing.
  Slot create_like(Slot like, int64_t end);
  /// The groups' columns of rows.
  void gather_groups(const Slot* slots, size_t count, DataChunk& out) const;
  size_t group_columns() const { return table.layout().key_columns - 2; }

  uint64_t group_hash(Slot slot) const {
    return *reinterpret_cast<const uint64_t*>(table.read_plain(slot) + hash_offset_);
  }
  Bounds bounds_of(Slot slot) const { return {bound(slot, 0), bound(slot, 1)}; }
  int64_t start_of(Slot slot) const { return bound(slot, 0); }
  /// One row per group, in order of the groups' hashes; the slots of each in the order given.
  MergedSlots by_group(const std::vector<Slot>& slots) const;
  /// Appends the slots of the open slices that start in [from, to), the oldest slice first.
  void collect(int64_t from, int64_t to, std::vector<Slot>& out) const;

  Table table;
  std::map<Bounds, std::vector<Slot>> open;  ///< The slots of each slice (or window) that is open, by start.

 private:
  void find_or_create_runs(const uint64_t* group_hashes, const int64_t* starts, const int64_t* ends, size_t count,
                           Slot* slots, uint8_t* created);
  int64_t bound(Slot slot, size_t which) const {
    return *reinterpret_cast<const int64_t*>(table.address(slot) + table.layout().offsets[group_columns() + which]);
  }

  size_t hash_offset_;
};

}  // namespace headrace
