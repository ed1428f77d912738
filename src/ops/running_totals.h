// Window functions from the first row of a partition to the current one, carried on from row to row: numbers, ranks,
// counts, sums, means and extremes. A row costs the same however long its partition is.
#pragma once

#include "ops/operator.h"
#include "ops/ranked_rows.h"
#include "plan/nodes.h"

namespace headrace {

/// State: table "totals", one row per partition, kept for ever. Used as an OverQuery is; each row is added once.
class RunningTotals {
 public:
  explicit RunningTotals(const OverNode& node);

  /// Adds rows of one partition, in order, behind all that were added before.
  void add(const std::vector<Slot>& rows) { rows_.insert(rows_.end(), rows.begin(), rows.end()); }
  const std::vector<Slot>& rows() const { return rows_; }
  /// Computes one column per function over the rows added.
  Result<> run(const RankedRows& from, std::vector<Vector>& results);
  void clear() { rows_.clear(); }
  /// Places of rows whose sum overflowed; they count for nothing.
  const std::vector<uint8_t>& failed() const { return failed_; }

  Table& table() { return table_; }

 private:
  void find_states(const KeyedRows& from, size_t at, size_t count);
  std::vector<uint8_t> counting(const OverFunction& function, const KeyedRows& from, size_t at, size_t count) const;
  void add_checked(const KeyedRows& from, size_t at, size_t count, std::vector<Vector>& results);
  void advance(size_t function, const KeyedRows& from, size_t at, size_t count, Vector& out);
  void share_among_peers(const OverFunction& function, Vector& values) const;

  const OverNode node_;
  Table table_;
  std::vector<size_t> offsets_;  ///< Of each function's state in a partition's plain bytes.
  std::vector<Slot> rows_;
  std::vector<char*> states_;        ///< Of the rows at hand.
  std::vector<uint8_t> first_peer_;  ///< Row i does not equal row i - 1 by the order.
  std::vector<uint8_t> failed_;
};

}  // namespace headrace
