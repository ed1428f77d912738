// The states of a GROUP BY's aggregates: plain bytes beside each group's key, and bags of values for those that need
// them. Every aggregate takes signed diffs; those that cannot undo (minimum, maximum, floating sums) are planned for
// append-only inputs only.
#pragma once

#include <memory>
#include <vector>

#include "duck/aggregate.h"
#include "ops/bag.h"
#include "ops/folded.h"
#include "ops/operator.h"
#include "ops/refused_rows.h"
#include "plan/nodes.h"

namespace headrace {

/// A result row's states: the groups' slots [begin, end) of `slots`; more than one are merged (slices of a window).
struct MergedSlots {
  std::vector<Slot> slots;
  std::vector<uint32_t> ends;  ///< ends[i] = end of row i's slots; row i begins at ends[i - 1].

  void add(Slot slot) {
    slots.push_back(slot);
    ends.push_back(static_cast<uint32_t>(slots.size()));
  }
  size_t rows() const { return ends.size(); }
  uint32_t begin(size_t row) const { return row == 0 ? 0 : ends[row - 1]; }
  void clear() {
    slots.clear();
    ends.clear();
  }
};

/// One thread; belongs to one table of groups.
class Accumulators {
 public:
  /// `key` are the columns of the groups table's key.
  Accumulators(const std::vector<Aggregate>& aggregates, const std::vector<Field>& key, const OperatorContext& context);
  ~Accumulators();

  /// True when every state lies in the plain bytes, so that merge() leaves `from` as it was.
  bool are_plain() const;
  /// Bytes of a group's plain state; the first eight are its number of rows.
  size_t plain_bytes() const { return plain_bytes_; }
  /// Adds the value columns that the groups table needs for the states of users' accumulators.
  void add_columns(TableSpec& groups);
  static int64_t rows_of(const Table& groups, Slot slot) {
    return *reinterpret_cast<const int64_t*>(groups.read_plain(slot));
  }

  /// Adds the rows of `batch` to their groups, and counts them. `keys` are the groups' keys (for bags). Rows whose sum
  /// would overflow go to the quarantine, and so do those that take such a row back.
  void update(Table& groups, const Slot* slots, Batch& batch, DataChunk& keys, Emitter& emitter);
  /// Brings the groups' states up to date with all rows; before results are asked for, and at the end of a tick.
  Result<> settle(Table& groups, Emitter& emitter);
  /// Writes aggregate `index` of all rows to `out` from place 0 on. A user's function that fails for a group gives
  /// NULL, and the group's key goes to the quarantine.
  Result<> result(const Table& groups, size_t index, const MergedSlots& rows, Vector& out, Emitter& emitter);
  /// Adds what group `from` holds to group `into`; `from` is left to be erased or reset, or, where all states
  /// are plain, as it was. Errors: what a user's merge() gave.
  Result<> merge(Table& groups, Slot into, Slot from);
  /// Lets go what hangs on a group that is about to be erased.
  void erase(Table& groups, Slot slot);
  /// Makes a group empty.
  void reset(Table& groups, Slot slot);

  std::vector<Table*> tables();
  /// Links bags to their groups again.
  void restored(Table& groups);

 private:
  /// A row that is left out of all aggregates, because one of them could not hold it.
  struct Refused {
    uint32_t row;
    Error reason;
  };
  std::vector<Refused> update_sums(Table& groups, const Slot* slots, char** plains, Batch& batch, DataChunk& keys,
                                   std::vector<uint8_t>& skip);
  std::vector<uint32_t> add_to_sum(size_t index, char** plains, Batch& batch, const std::vector<uint8_t>& skip) const;
  void take_from_sum(size_t index, char** plains, Batch& batch, const std::vector<uint8_t>& skip) const;
  void update_values(size_t index, Table& groups, const Slot* slots, Batch& batch, DataChunk& keys,
                     const std::vector<uint8_t>& skip);
  Result<> bag_result(const Table& groups, size_t index, const MergedSlots& rows, Vector& out, Emitter& emitter);
  void one_of_bag(const Table& groups, size_t index, const MergedSlots& rows, Vector& out) const;
  Result<> function_result(const Table& groups, size_t index, const MergedSlots& rows, Vector& out, Emitter& emitter);
  void reject_group(const Table& groups, const MergedSlots& rows, size_t row, const Error& reason,
                    Emitter& emitter) const;
  const BagHead& head(const Table& groups, size_t index, Slot slot) const {
    return *reinterpret_cast<const BagHead*>(groups.read_plain(slot) + offsets_[index]);
  }

  std::vector<Aggregate> aggregates_;
  SchemaRef key_;
  std::vector<size_t> offsets_;
  std::vector<size_t> checked_;           ///< Sums that may overflow.
  std::unique_ptr<RefusedRows> refused_;  ///< Where rows may be taken back, and sums may overflow.
  // One per aggregate; null where it has none.
  std::vector<std::unique_ptr<Bag>> bags_;
  std::vector<std::unique_ptr<BagFunction>> bag_functions_;
  std::vector<std::unique_ptr<Folded>> folded_;
  size_t plain_bytes_ = sizeof(int64_t);
};

}  // namespace headrace
