// Rows grouped by a key, the rows of a group in a given order: what Top-N and deduplication keep. Each group is a treap
// (Seidel and Aragon, "Randomized search trees", 1996) over the slots of its rows; its links are arrays beside the
// table, made again after a restore, and nothing is allocated per row.
#pragma once

#include <string_view>
#include <vector>

#include "duck/sort_key.h"
#include "plan/nodes.h"
#include "state/keyed_rows.h"

namespace headrace {

/// One thread. Ordered by columns, then by arrival.
class RankedRows {
 public:
  struct Spec {
    std::string name;
    std::vector<LogicalType> columns;
    std::vector<LogicalType> values;  ///< Further columns, NULL when a row is added.
    std::vector<size_t> key;
    std::vector<OrderColumn> order;
    bool last_first = false;  ///< Of rows that are equal by `order`, the later arrival stands first.
    size_t group_bytes = 0;   ///< Plain bytes per group for the operator.
  };
  explicit RankedRows(const Spec& spec);

  /// The order keys of rows.
  SortKeys keys_of(DataChunk& rows) const;
  /// Adds rows to groups (KeyedRows::append), each in its place. `order` are their keys_of().
  void add(DataChunk& rows, SortKeys& order, const uint64_t* hashes, size_t count, const Slot* groups, Slot* slots);
  /// The oldest row of the group that equals row `row` in all columns, or missing_slot.
  Slot find_equal(Slot group, const ChunkRows& rows, std::string_view order, size_t row) const;
  /// Takes a row out of its group's order; its columns stay until forget().
  void remove(Slot row);
  /// Frees a row that was removed.
  void forget(Slot row) { rows_.erase(row); }
  /// Frees a group with all its rows.
  void erase_group(Slot group);

  /// The group's rows that were not removed.
  size_t size(Slot group) const { return group < roots_.size() ? size_of(roots_[group]) : 0; }
  Slot last(Slot group) const;
  /// How many of the group's rows stand before all rows with this key.
  size_t rows_before(Slot group, std::string_view order) const;
  /// The first `count` rows in order.
  void first(Slot group, size_t count, std::vector<Slot>& out) const;
  /// Visits the group's rows in order, for as long as `visit` gives true.
  template <class Visit>
  void walk(Slot group, Visit visit) const;
  std::string_view order_of(Slot row) const;

  KeyedRows& rows() { return rows_; }
  const KeyedRows& rows() const { return rows_; }
  /// The rows as they are found by: the given columns, with one more where the order's keys differ in length.
  void stored(DataChunk& rows, SortKeys& order, DataChunk& out) const;
  const std::vector<LogicalType>& values() const { return values_; }
  /// Where the values stand among the columns of rows().
  size_t first_value() const { return columns_ + (has_key_column() ? 1 : 0); }
  void restored();

 private:
  using Link = uint32_t;  ///< A slot + 1, or 0.
  struct Node {
    Link left = 0, right = 0;
    uint32_t size = 0;
  };

  bool has_key_column() const { return key_width_ == 0 && !order_columns_.empty(); }
  uint32_t size_of(Link link) const { return link ? nodes_[link - 1].size : 0; }
  static uint32_t priority(Link link);
  bool before(Slot a, Slot b) const;
  void count(Link link) {
    nodes_[link - 1].size = 1 + size_of(nodes_[link - 1].left) + size_of(nodes_[link - 1].right);
  }
  void split(Link root, Slot row, Link& left, Link& right);
  Link merge(Link left, Link right);
  void insert(Slot group, Slot row);

  size_t columns_;
  std::vector<LogicalType> values_;
  std::vector<size_t> order_columns_;
  std::vector<SortDirection> directions_;
  std::vector<LogicalType> order_types_;
  size_t key_width_;  ///< Bytes of a key in a row's plain bytes, or 0: it is the last column.
  bool last_first_;
  KeyedRows rows_;
  std::vector<Node> nodes_;         ///< By slot of the row.
  std::vector<Link> roots_;         ///< By slot of the group.
  mutable std::vector<Link> path_;  ///< Scratch: the way down a tree.
};

template <class Visit>
void RankedRows::walk(Slot group, Visit visit) const {
  path_.clear();
  for (Link at = group < roots_.size() ? roots_[group] : 0; at != 0 || !path_.empty();) {
    for (; at != 0; at = nodes_[at - 1].left) path_.push_back(at);
    const Link row = path_.back();
    path_.pop_back();
    if (!visit(row - 1)) return;
    at = nodes_[row - 1].right;
  }
}

}  // namespace headrace
