#include "state/keyed_rows.h"

#include <algorithm>

#include "base/check.h"
#include "duck/rows.h"

namespace headrace {
namespace {

TableSpec groups_spec(const KeyedRows::Spec& spec, size_t head_bytes) {
  TableSpec out;
  out.name = spec.name + "_groups";
  for (size_t column : spec.key) out.key.push_back(spec.columns[column]);
  if (out.key.empty()) out.key.push_back(LogicalType::BOOLEAN);
  out.plain_bytes = head_bytes + spec.group_bytes;
  return out;
}

TableSpec rows_spec(const KeyedRows::Spec& spec, size_t link_bytes) {
  TableSpec out;
  out.name = spec.name + "_rows";
  out.values = spec.columns;
  out.plain_bytes = link_bytes + spec.row_bytes;
  return out;
}

}  // namespace

KeyedRows::KeyedRows(const Spec& spec)
    : key_(spec.key), groups_(groups_spec(spec, sizeof(Head))), rows_(rows_spec(spec, sizeof(Link))) {}

void KeyedRows::chain(Slot group, Slot row) {
  Head& own = head(group);
  Link& added = link(row);
  added.group = group;
  added.next_plus_one = 0;
  added.previous_plus_one = own.last_plus_one;
  if (own.last_plus_one)
    link(own.last_plus_one - 1).next_plus_one = row + 1;
  else
    own.first_plus_one = row + 1;
  own.last_plus_one = row + 1;
  ++own.rows;
}

void KeyedRows::add(DataChunk& rows, DataChunk& keys, const uint64_t* hashes, size_t count, Slot* groups, Slot* slots) {
  find_or_create(keys, hashes, count, groups);
  append(rows, hashes, count, groups, slots);
}

void KeyedRows::append(DataChunk& rows, const uint64_t* hashes, size_t count, const Slot* groups, Slot* slots) {
  rows_.append(rows, hashes, count, slots);
  for (size_t i = 0; i < count; ++i) {
    link(slots[i]).arrival = head(groups[i]).next_arrival++;
    chain(groups[i], slots[i]);
  }
}

void KeyedRows::find_or_create(DataChunk& keys, const uint64_t* hashes, size_t count, Slot* groups) {
  uint8_t created[STANDARD_VECTOR_SIZE];
  groups_.find_or_create(keys, hashes, count, groups, created);
}

Slot KeyedRows::find_equal(Slot group, const ChunkRows& rows, size_t row) const {
  for (Slot at = first(group); at != missing_slot; at = next(at))
    if (rows_.equals(at, rows, row)) return at;
  return missing_slot;
}

void KeyedRows::erase(Slot row) {
  const Link own = link(row);
  Head& group = head(own.group);
  if (own.previous_plus_one)
    link(own.previous_plus_one - 1).next_plus_one = own.next_plus_one;
  else
    group.first_plus_one = own.next_plus_one;
  if (own.next_plus_one)
    link(own.next_plus_one - 1).previous_plus_one = own.previous_plus_one;
  else
    group.last_plus_one = own.previous_plus_one;
  --group.rows;
  rows_.erase(row);
}

void KeyedRows::erase_group(Slot group) {
  CHECK_EQ(rows_in(group), 0);
  groups_.erase(group);
}

void KeyedRows::forget_empty(const Slot* groups, size_t count) {
  for (size_t i = 0; i < count; ++i)
    if (groups[i] != missing_slot && groups_.is_used(groups[i]) && rows_in(groups[i]) == 0) groups_.erase(groups[i]);
}

void KeyedRows::gather_all(const Slot* rows, size_t count, DataChunk& out) const {
  for (size_t column = 0; column < out.ColumnCount(); ++column) rows_.gather(column, rows, count, out.data[column]);
  out.SetCardinality(count);
}

void KeyedRows::restored() {
  if (!groups_.renumbered() && !rows_.renumbered()) return;
  for (Slot group : groups_.slots()) {
    Head& own = head(group);
    own.first_plus_one = own.last_plus_one = 0;
    own.rows = 0;
  }
  const std::vector<Slot> all = rows_.slots();
  for (size_t at = 0; at < all.size(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, all.size() - at);
    DataChunk keys;
    keys.Initialize(duckdb::Allocator::DefaultAllocator(), {groups_.spec().key.begin(), groups_.spec().key.end()});
    if (key_.empty()) keys.data[0].Reference(duckdb::Value::BOOLEAN(true));
    for (size_t i = 0; i < key_.size(); ++i) rows_.gather(key_[i], &all[at], count, keys.data[i]);
    keys.SetCardinality(count);
    uint64_t hashes[STANDARD_VECTOR_SIZE];
    Slot groups[STANDARD_VECTOR_SIZE];
    for (size_t i = 0; i < count; ++i) hashes[i] = rows_.hash(all[at + i]);
    groups_.find(keys, hashes, count, groups);
    for (size_t i = 0; i < count; ++i) link(all[at + i]).group = groups[i];
  }
  std::vector<Slot> ordered = all;
  std::sort(ordered.begin(), ordered.end(), [&](Slot a, Slot b) {
    const Link &x = std::as_const(*this).link(a), &y = std::as_const(*this).link(b);
    return x.group != y.group ? x.group < y.group : x.arrival < y.arrival;
  });
  for (Slot row : ordered) chain(std::as_const(*this).link(row).group, row);
}

}  // namespace headrace
