#include "ops/slice_table.h"

#include <algorithm>
#include <cstring>

namespace headrace {
namespace {

/// The upper bits stay those of the group: they say on which shard it lives. The rest mixes the bounds in.
uint64_t row_hash(uint64_t group_hash, int64_t end) {
  const uint64_t mixed = (group_hash ^ static_cast<uint64_t>(end)) * 0x9E3779B97F4A7C15;
  return (group_hash & 0xFFC0000000000000) | ((mixed ^ mixed >> 29) & 0x003FFFFFFFFFFFFF);
}

/// Key columns for `count` bounds, which must outlive them, behind the columns of `groups`.
void put_keys(const TableSpec& spec, DataChunk* groups, int64_t* starts, int64_t* ends, size_t count, DataChunk& keys) {
  const size_t columns = spec.key.size() - 2;
  keys.InitializeEmpty({spec.key.begin(), spec.key.end()});
  for (size_t i = 0; i < columns; ++i) keys.data[i].Reference(groups->data[i]);
  duckdb::FlatVector::SetData(keys.data[columns], reinterpret_cast<duckdb::data_ptr_t>(starts));
  duckdb::FlatVector::SetData(keys.data[columns + 1], reinterpret_cast<duckdb::data_ptr_t>(ends));
  keys.SetCardinality(count);
}

}  // namespace

void SliceTable::find_or_create(DataChunk& groups, const uint64_t* group_hashes, int64_t* starts, int64_t* ends,
                                size_t count, DataChunk& keys, Slot* slots, uint8_t* created) {
  put_keys(table.spec(), &groups, starts, ends, count, keys);
  if (group_columns() == 0) {
    find_or_create_runs(group_hashes, starts, ends, count, slots, created);
  } else {
    uint64_t hashes[STANDARD_VECTOR_SIZE];
    for (size_t row = 0; row < count; ++row) hashes[row] = row_hash(group_hashes[row], ends[row]);
    table.find_or_create(keys, hashes, count, slots, created);
  }
  for (size_t row = 0; row < count; ++row)
    if (created[row]) std::memcpy(table.plain(slots[row]) + hash_offset_, &group_hashes[row], sizeof(uint64_t));
}

/// Without groups, rows that follow each other are mostly of one slice: each run of them is looked up once.
void SliceTable::find_or_create_runs(const uint64_t* group_hashes, const int64_t* starts, const int64_t* ends,
                                     size_t count, Slot* slots, uint8_t* created) {
  int64_t run_starts[STANDARD_VECTOR_SIZE], run_ends[STANDARD_VECTOR_SIZE];
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  uint32_t run_of[STANDARD_VECTOR_SIZE];
  size_t runs = 0;
  for (size_t row = 0; row < count; ++row) {
    created[row] = runs == 0 || starts[row] != run_starts[runs - 1] || ends[row] != run_ends[runs - 1];
    if (created[row]) {
      run_starts[runs] = starts[row];
      run_ends[runs] = ends[row];
      hashes[runs++] = row_hash(group_hashes[row], ends[row]);
    }
    run_of[row] = static_cast<uint32_t>(runs - 1);
  }
  DataChunk keys;
  put_keys(table.spec(), nullptr, run_starts, run_ends, runs, keys);
  Slot run_slots[STANDARD_VECTOR_SIZE];
  uint8_t run_created[STANDARD_VECTOR_SIZE];
  table.find_or_create(keys, hashes, runs, run_slots, run_created);
  for (size_t row = 0; row < count; ++row) {
    slots[row] = run_slots[run_of[row]];
    created[row] = created[row] && run_created[run_of[row]];
  }
}

Slot SliceTable::create_like(Slot like, int64_t end) {
  const uint64_t hash = group_hash(like);
  const Slot out = table.create_like(like, group_columns() + 1, end, row_hash(hash, end));
  std::memcpy(table.plain(out) + hash_offset_, &hash, sizeof(hash));
  return out;
}

void SliceTable::gather_groups(const Slot* slots, size_t count, DataChunk& out) const {
  const size_t columns = group_columns();
  if (columns > 0)
    out.Initialize(duckdb::Allocator::DefaultAllocator(),
                   {table.spec().key.begin(), table.spec().key.begin() + static_cast<long>(columns)});
  for (size_t i = 0; i < columns; ++i) table.gather(i, slots, count, out.data[i]);
}

MergedSlots SliceTable::by_group(const std::vector<Slot>& slots) const {
  std::vector<std::pair<uint64_t, Slot>> sorted;
  sorted.reserve(slots.size());
  for (Slot slot : slots) sorted.emplace_back(group_hash(slot), slot);
  // Often the first ones are in order already.
  auto before = [](const auto& a, const auto& b) { return a.first < b.first; };
  const auto middle = std::is_sorted_until(sorted.begin(), sorted.end(), before);
  std::stable_sort(middle, sorted.end(), before);
  std::inplace_merge(sorted.begin(), middle, sorted.end(), before);
  MergedSlots out;
  out.slots.reserve(sorted.size());
  std::vector<Slot> same;
  for (size_t i = 0; i < sorted.size();) {
    same.clear();
    for (const uint64_t hash = sorted[i].first; i < sorted.size() && sorted[i].first == hash; ++i)
      same.push_back(sorted[i].second);
    // One hash is one group, unless two collide.
    while (!same.empty()) {
      const auto rest = std::stable_partition(same.begin() + 1, same.end(), [&](Slot slot) {
        return same_columns(table.layout(), table.address(same[0]), table.layout(), table.address(slot),
                            group_columns());
      });
      out.slots.insert(out.slots.end(), same.begin(), rest);
      out.ends.push_back(static_cast<uint32_t>(out.slots.size()));
      same.erase(same.begin(), rest);
    }
  }
  return out;
}

void SliceTable::collect(int64_t from, int64_t to, std::vector<Slot>& out) const {
  for (auto slice = open.lower_bound({from, INT64_MIN}); slice != open.end() && slice->first.start < to; ++slice)
    out.insert(out.end(), slice->second.begin(), slice->second.end());
}

}  // namespace headrace
