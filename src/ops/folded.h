// Aggregates by a user's accumulator class: the state of a group is a row of typed columns, and the rows of a tick are
// added in one call for all groups.
#pragma once

#include <functional>
#include <vector>

#include "data/batch.h"
#include "plan/nodes.h"
#include "state/table.h"

namespace headrace {

/// One accumulator of one GROUP BY. The groups' table holds its columns() as value columns from `first_value` on, and
/// eight plain bytes at `flag_offset` that say whether a group has a state.
class Folded {
 public:
  using OnRejected = std::function<void(const Batch& batch, uint32_t row, const Error& reason)>;

  /// `key` are the groups' key columns, for rows that are rejected.
  Folded(const Aggregate& aggregate, const std::vector<Field>& key);

  /// The state's fields, then the value it gives.
  const std::vector<LogicalType>& columns() const { return columns_; }
  void place(size_t first_value, size_t flag_offset) {
    first_value_ = first_value;
    flag_offset_ = flag_offset;
  }

  /// Remembers the rows `rows` of `batch`, which belong to the groups `slots` (one per row of the batch).
  void update(const Slot* slots, Batch& batch, DataChunk& keys, const std::vector<uint32_t>& rows);
  /// Adds what was remembered to the groups' states. A row that makes the function fail is left out and rejected.
  Result<> settle(Table& groups, const OnRejected& on_rejected);
  /// Merges the state of group `from` into that of `into`, and hands on its rows. Errors: what the function gave.
  Result<> merge(Table& groups, Slot into, Slot from);
  /// Writes the values of merged groups, which have been settled. ends[i] ends the slots of row i.
  Result<> result(const Table& groups, const std::vector<Slot>& slots, const std::vector<uint32_t>& ends, Vector& out,
                  const std::function<void(size_t row, const Error& reason)>& on_failed) const;

 private:
  struct Work;
  Result<> fold(Table& groups, const Work& work, const OnRejected& on_rejected);
  Result<> split(Table& groups, const Work& work, const Error& reason, const OnRejected& on_rejected);
  void gather_states(const Table& groups, const std::vector<Slot>& slots, const std::vector<uint32_t>& ends,
                     Vector& out) const;
  bool has_state(const Table& groups, Slot slot) const;
  /// A call that only merges the states of its rows.
  void fill_merge(const Table& groups, const std::vector<Slot>& slots, const std::vector<uint32_t>& ends,
                  DataChunk& call) const;
  void keep(Table& groups, const std::vector<Slot>& slots, Vector& result);

  UserFunction function_;
  std::vector<size_t> arguments_;
  CallTypes types_;
  SchemaRef rows_schema_;  ///< Of what is remembered: key, then arguments.
  std::vector<LogicalType> columns_;
  size_t key_columns_, first_value_ = 0, flag_offset_ = 0;
  DataChunk rows_;
  std::vector<Slot> slots_;
  std::vector<uint8_t> back_;  ///< 1 = the row is taken back.
};

}  // namespace headrace
