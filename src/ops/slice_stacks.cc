#include "ops/slice_stacks.h"

#include <algorithm>
#include <utility>

namespace headrace {

void SliceStacks::add(Slot slot) {
  const Bounds bounds = slices_.bounds_of(slot);
  if (bounds.start == bounds.end)
    stragglers_[bounds.start].push_back(slot);
  else if (is_sum(slot))
    sums_.push_back(slot);
  else
    slices_.open[bounds].push_back(slot);
}

void SliceStacks::drop(std::vector<Slot>& slots) {
  for (Slot slot : slots) slices_.table.erase(slot);
  slots.clear();
}

/// Adds stragglers to their slices, and writes which row each was added to.
Result<> SliceStacks::add_to_slices(const std::vector<Slot>& stragglers, Homes& homes) {
  for (size_t at = 0; at < stragglers.size(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, stragglers.size() - at);
    int64_t starts[STANDARD_VECTOR_SIZE], ends[STANDARD_VECTOR_SIZE];
    uint64_t hashes[STANDARD_VECTOR_SIZE];
    for (size_t i = 0; i < count; ++i) {
      hashes[i] = slices_.group_hash(stragglers[at + i]);
      starts[i] = slices_.start_of(stragglers[at + i]);
      ends[i] = starts[i] + math_.slice_ms;
    }
    DataChunk groups, keys;
    slices_.gather_groups(&stragglers[at], count, groups);
    Slot into[STANDARD_VECTOR_SIZE];
    uint8_t created[STANDARD_VECTOR_SIZE];
    slices_.find_or_create(groups, hashes, starts, ends, count, keys, into, created);
    for (size_t i = 0; i < count; ++i) {
      if (created[i]) add(into[i]);
      homes[stragglers[at + i]] = into[i];
      HEADRACE_TRY(accumulators_.merge(slices_.table, into[i], stragglers[at + i]));
    }
  }
  return {};
}

/// Adds slices, or stragglers that have been added to their slices, to the back.
Result<> SliceStacks::add_to_back(const std::vector<Slot>& slots, const Homes& homes) {
  if (slots.empty()) return {};
  std::vector<Slot> all = std::move(back_);
  all.insert(all.end(), slots.begin(), slots.end());
  const MergedSlots groups = slices_.by_group(all);
  back_.clear();
  auto home_of = [&](Slot slot) {
    const auto found = homes.find(slot);
    return found == homes.end() ? slot : found->second;
  };
  for (size_t row = 0; row < groups.rows(); ++row) {
    const Slot first = home_of(groups.slots[groups.begin(row)]);
    Slot kept = first;
    for (uint32_t i = groups.begin(row) + 1; i < groups.ends[row]; ++i) {
      if (home_of(groups.slots[i]) == first) continue;
      if (!is_sum(kept)) {
        kept = slices_.create_like(first, slices_.start_of(first) + math_.size_ms);
        sums_.push_back(kept);
        HEADRACE_TRY(accumulators_.merge(slices_.table, kept, first));
      }
      HEADRACE_TRY(accumulators_.merge(slices_.table, kept, groups.slots[i]));
    }
    back_.push_back(kept);
  }
  return {};
}

/// Stragglers of slices that are still open go where they belong.
Result<> SliceStacks::put_back_stragglers(bool turns) {
  std::vector<Slot> slots;
  const auto first = stragglers_.lower_bound(boundary_);
  for (auto slice = first; slice != stragglers_.end(); ++slice)
    slots.insert(slots.end(), slice->second.begin(), slice->second.end());
  stragglers_.erase(first, stragglers_.end());
  Homes homes;
  HEADRACE_TRY(add_to_slices(slots, homes));
  if (!turns) HEADRACE_TRY(add_to_back(slots, homes));
  drop(slots);
  return {};
}

/// Makes the slices before a new boundary the front. What was before has no open window any more.
Result<> SliceStacks::turn(int64_t boundary) {
  drop(sums_);
  back_.clear();
  drop_front(INT64_MAX);
  boundary_ = boundary;
  std::vector<Slot> newest_first;
  const auto begin = slices_.open.begin(), end = slices_.open.lower_bound({boundary, INT64_MIN});
  for (auto slice = end; slice != begin;) {
    --slice;
    if (slice->first.start < boundary - math_.size_ms)
      drop(slice->second);
    else
      newest_first.insert(newest_first.end(), slice->second.begin(), slice->second.end());
  }
  slices_.open.erase(begin, end);
  stack(newest_first);
  for (const Run& run : front_)
    for (uint32_t i = run.begin + 1; i < run.end; ++i)
      HEADRACE_TRY(accumulators_.merge(slices_.table, front_slots_[i], front_slots_[i - 1]));
  return {};
}

void SliceStacks::stack(const std::vector<Slot>& newest_first) {
  MergedSlots groups = slices_.by_group(newest_first);
  front_slots_ = std::move(groups.slots);
  front_.clear();
  for (uint32_t begin = 0; uint32_t end : groups.ends) front_.push_back({std::exchange(begin, end), end});
}

/// Lets go of rows of the front, and of stragglers, by the start of their slice.
void SliceStacks::drop_front(int64_t before) {
  for (Run& run : front_)
    for (; run.end > run.begin && slices_.start_of(front_slots_[run.end - 1]) < before; --run.end)
      slices_.table.erase(front_slots_[run.end - 1]);
  std::erase_if(front_, [](const Run& run) { return run.begin == run.end; });
  const auto kept = stragglers_.lower_bound(before);
  for (auto slice = stragglers_.begin(); slice != kept; ++slice) drop(slice->second);
  stragglers_.erase(stragglers_.begin(), kept);
}

Result<> SliceStacks::cover(int64_t end) {
  const int64_t boundary = math_.floor_to(math_.size_ms, end);
  const bool turns = boundary != boundary_;
  HEADRACE_TRY(put_back_stragglers(turns));
  if (turns) HEADRACE_TRY(turn(boundary));
  std::vector<Slot> fresh;
  slices_.collect(std::max(covered_, boundary), end, fresh);
  HEADRACE_TRY(add_to_back(fresh, {}));
  covered_ = end;
  drop_front(end - math_.size_ms);
  return {};
}

/// The end of the last window that has closed; INT64_MIN when none has.
int64_t SliceStacks::last_end(EventTime closed) const {
  if (closed == EventTime::min()) return INT64_MIN;
  return math_.first_end(closed.ms + 1) - math_.step_ms;
}

Result<> SliceStacks::cover_until(EventTime closed) {
  const int64_t end = last_end(closed);
  if (end > covered_) HEADRACE_TRY(cover(end));
  // What the next window has no part of is of no use to any; another run must not find it (docs/design/0047).
  if (end != INT64_MIN) drop_front(end + math_.step_ms - math_.size_ms);
  if (slices_.open.empty() && !holds_any()) {
    drop(sums_);
    back_.clear();
  }
  return {};
}

std::vector<Slot> SliceStacks::parts_of(Bounds window) const {
  std::vector<Slot> out;
  int64_t open_from = window.start;
  if (window.start < boundary_) {
    for (const Run& run : front_) {
      uint32_t end = run.end;
      while (end > run.begin && slices_.start_of(front_slots_[end - 1]) < window.start) --end;
      if (end > run.begin) out.push_back(front_slots_[end - 1]);
    }
    out.insert(out.end(), back_.begin(), back_.end());
    open_from = covered_;
  }
  for (auto slice = stragglers_.lower_bound(window.start); slice != stragglers_.end() && slice->first < window.end;
       ++slice)
    out.insert(out.end(), slice->second.begin(), slice->second.end());
  slices_.collect(open_from, window.end, out);
  return out;
}

std::vector<int64_t> SliceStacks::starts() const {
  std::vector<int64_t> out;
  // Every window that reaches into the front has its newest slice.
  int64_t newest = INT64_MIN;
  for (const Run& run : front_) newest = std::max(newest, slices_.start_of(front_slots_[run.begin]));
  if (!front_.empty()) out.push_back(newest);
  for (const auto& [start, slots] : stragglers_) out.push_back(start);
  return out;
}

void SliceStacks::restored(EventTime closed) {
  covered_ = last_end(closed);
  boundary_ = covered_ == INT64_MIN ? INT64_MIN : math_.floor_to(math_.size_ms, covered_);
  sums_.clear();
  stragglers_.clear();
  slices_.open.clear();
  for (Slot slot : slices_.table.slots()) add(slot);
  std::vector<Slot> newest_first;
  const auto begin = slices_.open.begin(), end = slices_.open.lower_bound({boundary_, INT64_MIN});
  for (auto slice = end; slice != begin;) {
    --slice;
    newest_first.insert(newest_first.end(), slice->second.begin(), slice->second.end());
  }
  slices_.open.erase(begin, end);
  stack(newest_first);
  // A slice stands for itself where its group has no sum.
  std::vector<Slot> covered = sums_;
  slices_.collect(boundary_, covered_, covered);
  const MergedSlots groups = slices_.by_group(covered);
  back_.clear();
  for (size_t row = 0; row < groups.rows(); ++row) back_.push_back(groups.slots[groups.begin(row)]);
}

}  // namespace headrace
