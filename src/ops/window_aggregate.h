// Windowed aggregation. Rows are added to slices, the pieces that all windows of a query are made of, so that a row
// costs the same whatever the number of windows it belongs to (Li et al., "No pane, no gain", 2005). A window's result
// is put together from its slices once, when the watermark passes its end. Rows behind the watermark are late.
#pragma once

#include <map>
#include <set>

#include "ops/accumulators.h"
#include "ops/pace.h"
#include "ops/told_rows.h"
#include "ops/window_math.h"

namespace headrace {

/// State: table "slices", keyed by group, window start and end in ms (of the slice, where rows are assigned here), and
/// one table of values per bag. With `emit_updates` it also tells partial results as changes, once per tick.
class WindowAggregateOperator final : public Operator {
 public:
  WindowAggregateOperator(const WindowAggregateNode& node, const OperatorContext& context);

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;
  Result<> on_watermark(EventTime time, Emitter& out) override;
  Result<> on_tick_end(const TickInfo&, Emitter& out) override;
  bool waits() const override { return told_.any_touched(); }
  Result<> tell_waiting(WaitingReport& report) override;
  std::vector<Table*> tables() override;
  Result<> restored(EventTime watermark) override;

 private:
  struct Bounds {
    int64_t start, end;
    auto operator<=>(const Bounds&) const = default;
  };

  void read_bounds(Batch& batch);
  bool is_late(size_t row, int64_t watermark) const;
  Result<> add_rows(Batch batch, Emitter& out);
  Result<> close_until(EventTime time, Emitter& out);
  Result<> close_slices(EventTime time, Emitter& out);
  Result<> close_windows(EventTime time, Emitter& out);
  std::set<std::pair<int64_t, int64_t>> open_windows(const WaitingReport& report) const;
  Result<> emit_window(Bounds window, const MergedSlots& rows, Emitter& out);
  Result<> fill_outputs(Bounds window, const MergedSlots& rows, size_t first, size_t count, DataChunk& out,
                        Emitter& emitter);
  Result<> tell(Bounds window, const std::vector<Slot>& slots, Emitter& out);
  MergedSlots merge_slices(Bounds window) const;
  MergedSlots own_rows(const std::vector<Slot>& slots) const;
  Result<> put_together(Bounds window, const MergedSlots& rows);
  bool is_live(const MergedSlots& rows, size_t row) const;
  uint64_t group_hash(Slot slot) const;
  Bounds bounds_of(Slot slot) const;
  void erase(Bounds slice);

  const WindowAggregateNode node_;
  std::optional<WindowMath> math_;  ///< Set when rows are assigned here.
  SchemaRef schema_;
  Accumulators accumulators_;
  Table table_;
  size_t hash_offset_;  ///< In the plain bytes: the group's hash.
  ToldRows told_;
  Pace pace_;
  EventTime closed_ = EventTime::min();       ///< Every window with end - 1 ms <= closed_ has been given out.
  std::map<Bounds, std::vector<Slot>> open_;  ///< The slots of each slice (or window), by start.
  std::vector<int64_t> times_, ends_;         ///< Scratch, one per row: slice start (or window start) and end.
};

}  // namespace headrace
