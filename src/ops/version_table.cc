#include "ops/version_table.h"

#include <algorithm>
#include <functional>

namespace headrace {
namespace {

KeyedRows::Spec rows_spec(const std::string& name, std::vector<LogicalType> columns, std::vector<size_t> key,
                          size_t row_bytes) {
  KeyedRows::Spec out;
  out.name = name;
  out.columns = std::move(columns);
  out.key = std::move(key);
  out.row_bytes = row_bytes;
  return out;
}

}  // namespace

VersionTable::VersionTable(const std::string& name, std::vector<LogicalType> columns, std::vector<size_t> key)
    : rows_(rows_spec(name, std::move(columns), std::move(key), sizeof(Version))) {}

void VersionTable::put(Slot group, Slot row, int64_t time_ms) {
  if (group >= by_group_.size()) by_group_.resize(group + 1);
  std::vector<Place>& places = by_group_[group];
  places.insert(std::upper_bound(places.begin(), places.end(), time_ms,
                                 [](int64_t time, const Place& place) { return time < place.time_ms; }),
                {time_ms, row});
  overtaken_.push_back({time_ms, group});
  std::push_heap(overtaken_.begin(), overtaken_.end(), std::greater<>());
}

void VersionTable::add(DataChunk& rows, DataChunk& keys, const uint64_t* hashes, size_t count, const int64_t* times_ms,
                       const uint8_t* ends) {
  Slot groups[STANDARD_VECTOR_SIZE], slots[STANDARD_VECTOR_SIZE];
  rows_.add(rows, keys, hashes, count, groups, slots);
  for (size_t i = 0; i < count; ++i) {
    *reinterpret_cast<Version*>(rows_.row_plain(slots[i])) = {times_ms[i], ends[i]};
    put(groups[i], slots[i], times_ms[i]);
  }
}

void VersionTable::take_back(DataChunk& row, DataChunk& key, const uint64_t* hash) {
  Slot group;
  rows_.find(key, hash, 1, &group);
  const Slot found = group == missing_slot ? missing_slot : rows_.find_equal(group, ChunkRows(row, 1), 0);
  if (found == missing_slot) return;
  std::vector<Place>& places = by_group_[group];
  std::erase_if(places, [&](const Place& place) { return place.row == found; });
  rows_.erase(found);
  if (places.empty()) rows_.erase_group(group);
}

void VersionTable::find(DataChunk& keys, const uint64_t* hashes, size_t count, const int64_t* times_ms,
                        Slot* out) const {
  Slot groups[STANDARD_VECTOR_SIZE];
  rows_.find(keys, hashes, count, groups);
  for (size_t i = 0; i < count; ++i) {
    out[i] = missing_slot;
    if (groups[i] == missing_slot) continue;
    const std::vector<Place>& places = by_group_[groups[i]];
    auto after = std::upper_bound(places.begin(), places.end(), times_ms[i],
                                  [](int64_t time, const Place& place) { return time < place.time_ms; });
    if (after != places.begin() && !version(std::prev(after)->row).ends) out[i] = std::prev(after)->row;
  }
}

void VersionTable::forget_before(Slot group, int64_t time_ms) {
  if (group >= by_group_.size() || by_group_[group].empty()) return;
  std::vector<Place>& places = by_group_[group];
  auto after = std::upper_bound(places.begin(), places.end(), time_ms,
                                [](int64_t time, const Place& place) { return time < place.time_ms; });
  if (after == places.begin()) return;
  // The newest one is still valid, unless it says that there is no row.
  auto kept = version(std::prev(after)->row).ends ? after : std::prev(after);
  for (auto place = places.begin(); place != kept; ++place) rows_.erase(place->row);
  places.erase(places.begin(), kept);
  if (places.empty()) rows_.erase_group(group);
}

void VersionTable::forget_before(int64_t time_ms) {
  while (!overtaken_.empty() && overtaken_.front().time_ms <= time_ms) {
    forget_before(overtaken_.front().group, time_ms);
    std::pop_heap(overtaken_.begin(), overtaken_.end(), std::greater<>());
    overtaken_.pop_back();
  }
}

void VersionTable::restored() {
  rows_.restored();
  by_group_.clear();
  overtaken_.clear();
  for (Slot group : rows_.groups().slots())
    for (Slot row = rows_.first(group); row != missing_slot; row = rows_.next(row))
      put(group, row, version(row).time_ms);
}

}  // namespace headrace
