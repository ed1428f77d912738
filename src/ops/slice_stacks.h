// What overlapping windows have in common, put together once: two stacks (Tangwongsan, Hirzel, Schneider, "Low-latency
// sliding-window aggregation in worst-case constant time", 2017), here per group and with turns at fixed times, so that
// the answer depends neither on which groups share a shard nor on where a batch ends.
//
// Boundaries lie one window's size apart. Every window reaches over one of them, or ends there:
//
//            boundary - size             boundary                       boundary + size
//     ───────────┼──────────────────────────┼──────────────────────────────┼──────▶
//                       └── front ──────────┴── back ───┘
//                       start of the window         its end
//
// The front: slices before the boundary; each group's row of a slice holds that slice and all later ones up to the
// boundary, so that the group's first row at or after the window's start is all that the window has there. The back:
// per group a sum of its slices that grows with each closing, or its slice while there is only one. A window is the
// front row and the back row of each group.
#pragma once

#include <unordered_map>

#include "ops/slice_table.h"
#include "ops/window_math.h"

namespace headrace {

/// Works on the rows of a SliceTable. What a row of bounds [start, end) is, its length says:
///   a slice     a slice: in the front it holds what comes up to the boundary as well
///   a window    a sum in the back
///   0           a straggler: what came to the slice from `start` on after it had been put together
/// and how far slices have been put together follows from which windows have closed: that is all that a restore needs.
/// For aggregates whose states are plain bytes only: rows are added to others and stay. One thread.
class SliceStacks {
 public:
  SliceStacks(const WindowMath& math, SliceTable& slices, Accumulators& accumulators)
      : math_(math), slices_(slices), accumulators_(accumulators) {}

  /// True when windows overlap; without that nothing is shared.
  static bool help(const WindowMath& math) { return !math.cumulates && math.step_ms < math.size_ms; }

  /// The bounds under which a row of the slice from `start` on is kept.
  Bounds bounds_for(int64_t start) const { return {start, start < covered_ ? start : start + math_.slice_ms}; }
  /// Takes in a row that was made with bounds_for().
  void add(Slot slot);

  /// The window that ends at `end` is closed next: puts together what it has, and lets go of what lies before it.
  Result<> cover(int64_t end);
  /// All windows that end up to `closed` have been given out.
  Result<> cover_until(EventTime closed);
  /// The rows that an open window is put together from.
  std::vector<Slot> parts_of(Bounds window) const;
  /// True when windows yet to close may have something that is no open slice.
  bool holds_any() const { return !front_.empty() || !stragglers_.empty(); }
  /// Starts of slices such that each open window that has anything but open slices has one of them.
  std::vector<int64_t> starts() const;

  /// Finds everything again, open slices included.
  void restored(EventTime closed);

 private:
  /// A group's rows of the front: [begin, end) of front_slots_, the newest slice first.
  struct Run {
    uint32_t begin, end;
  };

  /// By straggler: the row of its slice.
  using Homes = std::unordered_map<Slot, Slot>;

  int64_t last_end(EventTime closed) const;
  bool is_sum(Slot slot) const {
    const Bounds bounds = slices_.bounds_of(slot);
    return bounds.end - bounds.start == math_.size_ms;
  }
  Result<> put_back_stragglers(bool turns);
  Result<> add_to_slices(const std::vector<Slot>& stragglers, Homes& homes);
  Result<> add_to_back(const std::vector<Slot>& slots, const Homes& homes);
  Result<> turn(int64_t boundary);
  void stack(const std::vector<Slot>& newest_first);
  void drop_front(int64_t before);
  void drop(std::vector<Slot>& slots);

  const WindowMath& math_;
  SliceTable& slices_;
  Accumulators& accumulators_;
  int64_t boundary_ = INT64_MIN;  ///< Slices before it are in the front.
  int64_t covered_ = INT64_MIN;   ///< Slices from the boundary to here are in the back, and open too.
  std::vector<Slot> front_slots_;
  std::vector<Run> front_;                           ///< In order of the groups' hashes.
  std::vector<Slot> back_;                           ///< One per group, in order of the groups' hashes.
  std::vector<Slot> sums_;                           ///< Those of the back that are no slices.
  std::map<int64_t, std::vector<Slot>> stragglers_;  ///< By slice; those behind the boundary wait for the next closing.
};

}  // namespace headrace
