#include "ops/bag.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "duck/rows.h"
#include "ops/keys.h"

namespace headrace {
namespace {

TableSpec values_spec(size_t number, const std::vector<LogicalType>& key, const std::vector<LogicalType>& values,
                      size_t link_bytes) {
  TableSpec out;
  out.name = "values_" + std::to_string(number);
  out.key = key;
  out.key.insert(out.key.end(), values.begin(), values.end());
  out.plain_bytes = link_bytes;
  return out;
}

BagHead& head_of(Table& groups, Slot slot, size_t head_offset) {
  return *reinterpret_cast<BagHead*>(groups.plain(slot) + head_offset);
}

/// Calls body(slot, hash of its first `columns` columns) for every row.
template <class Body>
void each_key(const Table& table, size_t columns, Body body) {
  const std::vector<Slot> all = table.slots();
  for (size_t at = 0; at < all.size(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, all.size() - at);
    DataChunk keys;
    keys.Initialize(duckdb::Allocator::DefaultAllocator(),
                    {table.spec().key.begin(), table.spec().key.begin() + static_cast<long>(columns)});
    for (size_t column = 0; column < columns; ++column) table.gather(column, &all[at], count, keys.data[column]);
    keys.SetCardinality(count);
    uint64_t hashes[STANDARD_VECTOR_SIZE];
    hash_rows(keys, hashes);
    for (size_t i = 0; i < count; ++i) body(all[at + i], hashes[i]);
  }
}

}  // namespace

Bag::Bag(size_t number, const std::vector<LogicalType>& key, std::vector<LogicalType> values, Wanted wanted, bool one)
    : group_columns_(key.size()),
      types_(std::move(values)),
      wanted_(wanted),
      one_(one),
      values_(values_spec(number, key, types_, sizeof(Link) + (keeps_arrival() ? sizeof(int64_t) : 0))) {}

void Bag::attach(BagHead& head, Slot slot) {
  Link& own = link(slot);
  own.previous_plus_one = 0;
  own.next_plus_one = head.first_plus_one;
  if (head.first_plus_one) link(head.first_plus_one - 1).previous_plus_one = slot + 1;
  head.first_plus_one = slot + 1;
  ++head.distinct;
}

void Bag::detach(BagHead& head, Slot slot) {
  Link own = read_link(slot);
  if (own.previous_plus_one)
    link(own.previous_plus_one - 1).next_plus_one = own.next_plus_one;
  else
    head.first_plus_one = own.next_plus_one;
  if (own.next_plus_one) link(own.next_plus_one - 1).previous_plus_one = own.previous_plus_one;
  --head.distinct;
  values_.erase(slot);
}

void Bag::update(Table& groups, size_t head_offset, const Slot* slots, Batch& batch, const std::vector<size_t>& columns,
                 DataChunk& keys, const std::vector<uint32_t>& rows) {
  if (rows.empty()) return;
  duckdb::SelectionVector selection(const_cast<uint32_t*>(rows.data()));
  DataChunk wanted;
  wanted.InitializeEmpty({values_.spec().key.begin(), values_.spec().key.end()});
  for (size_t i = 0; i < group_columns_; ++i) wanted.data[i].Slice(keys.data[i], selection, rows.size());
  for (size_t i = 0; i < columns.size(); ++i)
    wanted.data[group_columns_ + i].Slice(batch.chunk.data[columns[i]], selection, rows.size());
  wanted.SetCardinality(rows.size());
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  hash_rows(wanted, hashes);
  for (size_t i = 0; i < rows.size(); ++i) hashes[i] = beside_group(groups.hash(slots[rows[i]]), hashes[i]);
  Slot found[STANDARD_VECTOR_SIZE];
  uint8_t created[STANDARD_VECTOR_SIZE];
  values_.find_or_create(wanted, hashes, rows.size(), found, created);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (created[i]) attach(head_of(groups, slots[rows[i]], head_offset), found[i]);
    Link& held = link(found[i]);
    const bool arrives = batch.diff(rows[i]) > 0 && (held.count <= 0 || wanted_ == Wanted::last);
    if (arrives && keeps_arrival()) arrived(found[i]) = next_arrival_++;
    held.count += batch.diff(rows[i]);
  }
  for (size_t i = 0; one_ && i < rows.size(); ++i) keep_best(head_of(groups, slots[rows[i]], head_offset));
  if (one_) return;
  for (size_t i = 0; i < rows.size(); ++i) {
    // A value that came and went in this batch may stand here twice; it is let go once.
    const Slot slot = found[i];
    if (batch.diff(rows[i]) > 0 || read_link(slot).count != 0) continue;
    bool again = false;
    for (size_t before = 0; before < i && !again; ++before)
      again = found[before] == slot && batch.diff(rows[before]) < 0;
    if (!again) detach(head_of(groups, slots[rows[i]], head_offset), slot);
  }
}

void Bag::collect(const BagHead& head, bool distinct, std::vector<const char*>& out) const {
  for (Slot at = head.first_plus_one; at; at = read_link(at - 1).next_plus_one) {
    const int64_t copies = distinct ? 1 : std::max<int64_t>(read_link(at - 1).count, 0);
    out.insert(out.end(), static_cast<size_t>(copies), values_.address(at - 1));
  }
}

bool Bag::is_better(Slot a, Slot b) const {
  if (keeps_arrival()) return is_earlier(read_arrived(a), read_arrived(b));
  const auto x = values_.text(a, group_columns_), y = values_.text(b, group_columns_);
  return wanted_ == Wanted::least ? x < y : y < x;
}

/// The slot of a group's value that is asked for; missing_slot when it holds none.
Slot Bag::best(const BagHead& head) const {
  Slot out = missing_slot;
  for (Slot at = head.first_plus_one; at; at = read_link(at - 1).next_plus_one)
    if (read_link(at - 1).count > 0 && (out == missing_slot || is_better(at - 1, out))) out = at - 1;
  return out;
}

void Bag::keep_best(BagHead& head) {
  if (head.distinct < 2) return;
  const Slot kept = best(head);
  for (Slot at = head.first_plus_one; at;) {
    const Slot next = read_link(at - 1).next_plus_one;
    if (at - 1 != kept) detach(head, at - 1);
    at = next;
  }
}

const char* Bag::wanted(const std::vector<const BagHead*>& heads) const {
  Slot out = missing_slot;
  for (const BagHead* head : heads) {
    const Slot slot = best(*head);
    if (slot == missing_slot) continue;
    if (out == missing_slot || is_better(slot, out)) out = slot;
  }
  return out == missing_slot ? nullptr : values_.address(out);
}

void Bag::gather(const std::vector<const char*>& rows, DataChunk& out) const {
  out.Initialize(duckdb::Allocator::DefaultAllocator(), {types_.begin(), types_.end()},
                 std::max<size_t>(rows.size(), 1));
  for (size_t i = 0; i < types_.size(); ++i)
    gather_column(values_.layout(), group_columns_ + i, rows.data(), rows.size(), out.data[i]);
  out.SetCardinality(rows.size());
}

void Bag::merge(Table& groups, size_t head_offset, Slot into, Slot from) {
  std::vector<Slot> moved;
  BagHead& emptied = head_of(groups, from, head_offset);
  for (Slot at = emptied.first_plus_one; at; at = read_link(at - 1).next_plus_one) moved.push_back(at - 1);
  emptied = {};
  for (size_t first = 0; first < moved.size(); first += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, moved.size() - first);
    const std::vector<Slot> target(count, into);
    DataChunk wanted;
    wanted.Initialize(duckdb::Allocator::DefaultAllocator(), {values_.spec().key.begin(), values_.spec().key.end()});
    for (size_t i = 0; i < group_columns_; ++i) groups.gather(i, target.data(), count, wanted.data[i]);
    for (size_t i = group_columns_; i < wanted.ColumnCount(); ++i)
      values_.gather(i, &moved[first], count, wanted.data[i]);
    wanted.SetCardinality(count);
    uint64_t hashes[STANDARD_VECTOR_SIZE];
    hash_rows(wanted, hashes);
    for (size_t i = 0; i < count; ++i) hashes[i] = beside_group(groups.hash(into), hashes[i]);
    Slot found[STANDARD_VECTOR_SIZE];
    uint8_t created[STANDARD_VECTOR_SIZE];
    values_.find_or_create(wanted, hashes, count, found, created);
    for (size_t i = 0; i < count; ++i) {
      if (created[i]) attach(head_of(groups, into, head_offset), found[i]);
      link(found[i]).count += read_link(moved[first + i]).count;
      if (!keeps_arrival()) continue;
      const int64_t other = read_arrived(moved[first + i]);
      if (created[i] || is_earlier(other, read_arrived(found[i]))) arrived(found[i]) = other;
    }
    for (size_t i = 0; i < count; ++i) values_.erase(moved[first + i]);
  }
  if (one_) keep_best(head_of(groups, into, head_offset));
}

void Bag::erase(const BagHead& head) {
  for (Slot at = head.first_plus_one; at;) {
    const Slot next = read_link(at - 1).next_plus_one;
    values_.erase(at - 1);
    at = next;
  }
}

void Bag::restored(Table& groups, size_t head_offset) {
  if (keeps_arrival())
    for (Slot slot : values_.slots()) next_arrival_ = std::max(next_arrival_, read_arrived(slot) + 1);
  if (!groups.renumbered() && !values_.renumbered()) return;
  for (Slot slot : groups.slots()) std::memset(groups.plain(slot) + head_offset, 0, sizeof(BagHead));
  // A group is found by the hash of its key's columns alone: what a table hashes beside them is its own business.
  std::unordered_multimap<uint64_t, Slot> by_key;
  each_key(groups, group_columns_, [&](Slot slot, uint64_t hash) { by_key.emplace(hash, slot); });
  each_key(values_, group_columns_, [&](Slot value, uint64_t hash) {
    for (auto [at, end] = by_key.equal_range(hash); at != end; ++at) {
      if (!same_columns(groups.layout(), groups.address(at->second), values_.layout(), values_.address(value),
                        group_columns_))
        continue;
      attach(head_of(groups, at->second, head_offset), value);
      return;
    }
  });
}

}  // namespace headrace
