#include "ops/ranked_rows.h"

#include <algorithm>
#include <cstring>

namespace headrace {
namespace {

std::vector<LogicalType> order_types(const RankedRows::Spec& spec) {
  std::vector<LogicalType> out;
  for (const OrderColumn& item : spec.order) out.push_back(spec.columns[item.column]);
  return out;
}

KeyedRows::Spec rows_spec(const RankedRows::Spec& spec) {
  KeyedRows::Spec out;
  out.name = spec.name;
  out.columns = spec.columns;
  out.key = spec.key;
  out.group_bytes = spec.group_bytes;
  out.row_bytes = sort_key_width(order_types(spec));
  if (out.row_bytes == 0 && !spec.order.empty()) out.columns.push_back(LogicalType::BLOB);
  out.columns.insert(out.columns.end(), spec.values.begin(), spec.values.end());
  return out;
}

}  // namespace

RankedRows::RankedRows(const Spec& spec)
    : columns_(spec.columns.size()),
      values_(spec.values),
      order_types_(order_types(spec)),
      key_width_(sort_key_width(order_types_)),
      last_first_(spec.last_first),
      rows_(rows_spec(spec)) {
  for (const OrderColumn& item : spec.order) {
    order_columns_.push_back(item.column);
    directions_.push_back({item.descending, item.nulls_first});
  }
}

SortKeys RankedRows::keys_of(DataChunk& rows) const {
  DataChunk columns;
  if (!order_types_.empty()) columns.InitializeEmpty({order_types_.begin(), order_types_.end()});
  for (size_t i = 0; i < order_columns_.size(); ++i) columns.data[i].Reference(rows.data[order_columns_[i]]);
  columns.SetCardinality(rows.size());
  return {columns, directions_, key_width_};
}

void RankedRows::stored(DataChunk& rows, SortKeys& order, DataChunk& out) const {
  duckdb::vector<LogicalType> types = rows.GetTypes();
  if (has_key_column()) types.push_back(LogicalType::BLOB);
  out.InitializeEmpty(types);
  for (size_t i = 0; i < columns_; ++i) out.data[i].Reference(rows.data[i]);
  if (has_key_column()) out.data[columns_].Reference(order.column());
  out.SetCardinality(rows.size());
}

void RankedRows::add(DataChunk& rows, SortKeys& order, const uint64_t* hashes, size_t count, const Slot* groups,
                     Slot* slots) {
  DataChunk found, kept;
  stored(rows, order, found);
  duckdb::vector<LogicalType> types = found.GetTypes();
  types.insert(types.end(), values_.begin(), values_.end());
  kept.InitializeEmpty(types);
  for (size_t i = 0; i < types.size(); ++i)
    if (i < found.ColumnCount())
      kept.data[i].Reference(found.data[i]);
    else
      kept.data[i].Reference(duckdb::Value(types[i]));
  kept.SetCardinality(count);
  rows_.append(kept, hashes, count, groups, slots);
  for (size_t i = 0; i < count; ++i) {
    if (key_width_ > 0) std::memcpy(rows_.row_plain(slots[i]), order[i].data(), key_width_);
    insert(groups[i], slots[i]);
  }
}

std::string_view RankedRows::order_of(Slot row) const {
  if (key_width_ > 0) return {rows_.read_row_plain(row), key_width_};
  if (order_columns_.empty()) return {};
  const char* place = rows_.rows().address(row) + rows_.rows().layout().offsets[columns_];
  const auto& key = *reinterpret_cast<const duckdb::string_t*>(place);
  return {key.GetData(), key.GetSize()};
}

bool RankedRows::before(Slot a, Slot b) const {
  const int order = order_of(a).compare(order_of(b));
  if (order != 0) return order < 0;
  return last_first_ ? rows_.arrival(a) > rows_.arrival(b) : rows_.arrival(a) < rows_.arrival(b);
}

/// Any fixed scattering of the slots will do: nobody chooses slots to please a tree.
uint32_t RankedRows::priority(Link link) {
  uint64_t mixed = link * 0x9E3779B97F4A7C15;
  return static_cast<uint32_t>((mixed ^ mixed >> 31) * 0xBF58476D1CE4E5B9 >> 32);
}

/// Parts a tree into the rows before `row` and those behind it.
void RankedRows::split(Link root, Slot row, Link& left, Link& right) {
  if (root == 0) {
    left = right = 0;
    return;
  }
  Node& node = nodes_[root - 1];
  if (before(root - 1, row)) {
    split(node.right, row, node.right, right);
    left = root;
  } else {
    split(node.left, row, left, node.left);
    right = root;
  }
  count(root);
}

RankedRows::Link RankedRows::merge(Link left, Link right) {
  if (left == 0 || right == 0) return left ? left : right;
  const bool left_on_top = priority(left) > priority(right);
  Node& top = nodes_[(left_on_top ? left : right) - 1];
  if (left_on_top)
    top.right = merge(top.right, right);
  else
    top.left = merge(left, top.left);
  count(left_on_top ? left : right);
  return left_on_top ? left : right;
}

void RankedRows::insert(Slot group, Slot row) {
  if (row >= nodes_.size()) nodes_.resize(std::max<size_t>(row + 1, nodes_.size() * 2));
  if (group >= roots_.size()) roots_.resize(std::max<size_t>(group + 1, roots_.size() * 2));
  Link* place = &roots_[group];
  while (*place != 0 && priority(*place) > priority(row + 1)) {
    Node& node = nodes_[*place - 1];
    ++node.size;
    place = before(*place - 1, row) ? &node.right : &node.left;
  }
  Node& added = nodes_[row];
  split(*place, row, added.left, added.right);
  *place = row + 1;
  count(row + 1);
}

void RankedRows::remove(Slot row) {
  Link* place = &roots_[rows_.group_of(row)];
  while (*place != row + 1) {
    Node& node = nodes_[*place - 1];
    --node.size;
    place = before(*place - 1, row) ? &node.right : &node.left;
  }
  *place = merge(nodes_[row].left, nodes_[row].right);
}

void RankedRows::erase_group(Slot group) {
  if (group < roots_.size()) roots_[group] = 0;
  for (Slot row = rows_.first(group); row != missing_slot; row = rows_.first(group)) rows_.erase(row);
  rows_.erase_group(group);
}

Slot RankedRows::last(Slot group) const {
  Link at = roots_[group];
  while (nodes_[at - 1].right) at = nodes_[at - 1].right;
  return at - 1;
}

size_t RankedRows::rows_before(Slot group, std::string_view order) const {
  size_t before = 0;
  for (Link at = group < roots_.size() ? roots_[group] : 0; at != 0;) {
    const Node& node = nodes_[at - 1];
    if (order_of(at - 1) < order) {
      before += size_of(node.left) + 1;
      at = node.right;
    } else {
      at = node.left;
    }
  }
  return before;
}

Slot RankedRows::find_equal(Slot group, const ChunkRows& rows, std::string_view order, size_t row) const {
  if (group >= roots_.size()) return missing_slot;
  Slot found = missing_slot;
  // Looks through the rows with this key, which stand together.
  path_.assign(1, roots_[group]);
  while (!path_.empty()) {
    const Link at = path_.back();
    path_.pop_back();
    if (at == 0) continue;
    const Node& node = nodes_[at - 1];
    const int compared = order_of(at - 1).compare(order);
    if (compared >= 0) path_.push_back(node.left);
    if (compared <= 0) path_.push_back(node.right);
    if (compared == 0 && rows_.rows().equals(at - 1, rows, row) &&
        (found == missing_slot || rows_.arrival(at - 1) < rows_.arrival(found)))
      found = at - 1;
  }
  return found;
}

void RankedRows::first(Slot group, size_t count, std::vector<Slot>& out) const {
  out.clear();
  if (count == 0) return;
  walk(group, [&](Slot row) {
    out.push_back(row);
    return out.size() < count;
  });
}

void RankedRows::restored() {
  rows_.restored();
  nodes_.clear();
  roots_.clear();
  for (Slot group : rows_.groups().slots())
    for (Slot row = rows_.first(group); row != missing_slot; row = rows_.next(row)) insert(group, row);
}

}  // namespace headrace
