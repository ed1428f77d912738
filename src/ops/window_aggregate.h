// Windowed aggregation. Rows are added to slices, the pieces that all windows of a query are made of, so that a row
// costs the same whatever the number of windows it belongs to (Li et al., "No pane, no gain", 2005). A window's result
// is put together from its slices once, when the watermark passes its end, and from what overlapping windows have put
// together before (slice_stacks.h). Rows behind the watermark are late.
#pragma once

#include <map>
#include <set>

#include "ops/pace.h"
#include "ops/slice_stacks.h"
#include "ops/told_rows.h"

namespace headrace {

/// State: table "slices", keyed by group, window start and end in ms (of the slice, where rows are assigned here), and
/// one table of values per bag. With `emit_updates` it also tells partial results as changes, once per tick.
class WindowAggregateOperator final : public Operator {
 public:
  WindowAggregateOperator(const WindowAggregateNode& node, const OperatorContext& context);

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;
  Result<> on_watermark(EventTime time, Emitter& out) override;
  EventTime last_due() const override;
  Result<> on_tick_end(const TickInfo&, Emitter& out) override;
  int64_t due_us() const override { return told_.any_touched() ? 0 : never_due; }
  Result<> tell_waiting(WaitingReport& report) override;
  std::vector<Table*> tables() override;
  Result<> restored(EventTime watermark) override;

 private:
  void read_bounds(Batch& batch);
  bool is_late(size_t row, int64_t watermark) const;
  Result<> add_rows(Batch batch, Emitter& out);
  Result<> close_until(EventTime time, Emitter& out);
  int64_t next_end() const;
  Result<> close_slices(EventTime time, Emitter& out);
  Result<> close_windows(EventTime time, Emitter& out);
  std::set<std::pair<int64_t, int64_t>> open_windows(const WaitingReport& report) const;
  Result<> emit_window(Bounds window, const MergedSlots& rows, Emitter& out);
  Result<> fill_outputs(Bounds window, const MergedSlots& rows, size_t first, size_t count, DataChunk& out,
                        Emitter& emitter);
  Result<> tell(Bounds window, const std::vector<Slot>& slots, Emitter& out);
  MergedSlots rows_of(Bounds window) const;
  Result<> put_together(Bounds window, const MergedSlots& rows);
  bool is_live(const MergedSlots& rows, size_t row) const;
  void erase(Bounds slice);

  const WindowAggregateNode node_;
  std::optional<WindowMath> math_;  ///< Set when rows are assigned here.
  /// Rows come with sessions: one that loses its middle falls apart, and its older part may end behind the watermark.
  bool sessions_;
  SchemaRef schema_;
  Accumulators accumulators_;
  SliceTable slices_;
  std::optional<SliceStacks> stacks_;  ///< Where windows overlap and states can be shared.
  ToldRows told_;
  Pace pace_;
  EventTime closed_ = EventTime::min();  ///< Every window with end - 1 ms <= closed_ has been given out.
  bool overdue_ = false;                 ///< Some open windows should have closed already.
  std::vector<int64_t> times_, ends_;    ///< Scratch, one per row: slice start (or window start) and end.
};

}  // namespace headrace
