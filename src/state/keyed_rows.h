// Rows grouped by a key, in order of arrival within each group: what joins, Top-N, OVER and pattern matching keep of
// their inputs. Two tables, saved and restored like any other: one row per group, and the rows, chained per group.
#pragma once

#include <vector>

#include "state/table.h"

namespace headrace {

/// One thread. Slots hold until erase() or a restore.
class KeyedRows {
 public:
  struct Spec {
    std::string name;                  ///< Unique in its operator.
    std::vector<LogicalType> columns;  ///< Of a row.
    std::vector<size_t> key;           ///< The columns that name a group; none = one group of all rows.
    size_t group_bytes = 0;            ///< Zeroed plain bytes per group, for the operator.
    size_t row_bytes = 0;              ///< The same per row.
  };
  explicit KeyedRows(const Spec& spec);

  /// Adds the first `count` rows of `rows` at the ends of their groups, which are made where missing. `keys` and
  /// `hashes` are the rows' keys (take_keys). Writes the place of each row and of its group.
  void add(DataChunk& rows, DataChunk& keys, const uint64_t* hashes, size_t count, Slot* groups, Slot* slots);
  /// As add(), to groups that are known.
  void append(DataChunk& rows, const uint64_t* hashes, size_t count, const Slot* groups, Slot* slots);
  /// The groups of keys, missing_slot where there is none.
  void find(DataChunk& keys, const uint64_t* hashes, size_t count, Slot* groups) const {
    groups_.find(keys, hashes, count, groups);
  }
  /// As find(), making empty groups that are missing.
  void find_or_create(DataChunk& keys, const uint64_t* hashes, size_t count, Slot* groups);
  /// The oldest row of the group that equals row `row` of `rows` in all columns; missing_slot when there is none.
  Slot find_equal(Slot group, const ChunkRows& rows, size_t row) const;
  /// Takes a row out of its group. The group stays, even when it is empty.
  void erase(Slot row);
  /// Forgets a group without rows.
  void erase_group(Slot group);
  /// Forgets those of these groups that are there and have no rows; one may stand among them more than once.
  void forget_empty(const Slot* groups, size_t count);

  /// The rows of a group from the oldest on; missing_slot ends them.
  Slot first(Slot group) const { return head(group).first_plus_one - 1; }
  Slot next(Slot row) const { return link(row).next_plus_one - 1; }
  Slot group_of(Slot row) const { return link(row).group; }
  int64_t rows_in(Slot group) const { return head(group).rows; }
  /// A row's number in its group, by arrival; never given twice while the group lives.
  int64_t arrival(Slot row) const { return link(row).arrival; }

  char* group_plain(Slot group) { return groups_.plain(group) + sizeof(Head); }
  const char* read_group_plain(Slot group) const { return groups_.read_plain(group) + sizeof(Head); }
  char* row_plain(Slot row) { return rows_.plain(row) + sizeof(Link); }
  const char* read_row_plain(Slot row) const { return rows_.read_plain(row) + sizeof(Link); }
  /// Writes column `column` of the rows into `out`, from place 0 on; at most rows_per_batch.
  void gather(size_t column, const Slot* rows, size_t count, Vector& out) const {
    rows_.gather(column, rows, count, out);
  }
  /// The same for all columns of `out`, whose types are those of a row.
  void gather_all(const Slot* rows, size_t count, DataChunk& out) const;

  /// Sets column `column` of rows from the first places of `from`.
  void set(size_t column, const Slot* rows, size_t count, Vector& from) { rows_.set_value(column, rows, count, from); }

  const Table& rows() const { return rows_; }
  const Table& groups() const { return groups_; }
  std::vector<Table*> tables() { return {&groups_, &rows_}; }
  /// Chains the rows of loaded tables again, unless all kept their slots, and so their chains.
  void restored();

 private:
  struct Head {
    Slot first_plus_one, last_plus_one;
    int64_t rows, next_arrival;
  };
  struct Link {
    Slot next_plus_one, previous_plus_one, group;
    uint32_t unused;
    int64_t arrival;
  };

  const Head& head(Slot group) const { return *reinterpret_cast<const Head*>(groups_.read_plain(group)); }
  Head& head(Slot group) { return *reinterpret_cast<Head*>(groups_.plain(group)); }
  const Link& link(Slot row) const { return *reinterpret_cast<const Link*>(rows_.read_plain(row)); }
  Link& link(Slot row) { return *reinterpret_cast<Link*>(rows_.plain(row)); }
  void chain(Slot group, Slot row);

  std::vector<size_t> key_;
  Table groups_, rows_;
};

}  // namespace headrace
