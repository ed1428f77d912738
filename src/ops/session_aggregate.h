// GROUP BY over the sessions of its own key: each session has its accumulators, which are put together when a row joins
// two sessions. Rows of append-only inputs only; what sessions of changing rows are is for SessionAssignOperator to
// say.
#pragma once

#include "ops/accumulators.h"
#include "ops/pace.h"
#include "ops/session_table.h"
#include "ops/told_rows.h"

namespace headrace {

/// State: table "sessions" and one table of values per bag. A session's result is given out once, when the watermark
/// passes its end; with `emit_updates` also what is there of it, as changes.
class SessionAggregateOperator final : public Operator {
 public:
  SessionAggregateOperator(const WindowAggregateNode& node, const OperatorContext& context);

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;
  Result<> on_watermark(EventTime time, Emitter& out) override;
  EventTime last_due() const override { return sessions_.last_due(); }
  Result<> on_tick_end(const TickInfo& tick, Emitter& out) override;
  int64_t due_us() const override { return told_.any_touched() ? 0 : never_due; }
  Result<> tell_waiting(WaitingReport& report) override;
  std::vector<Table*> tables() override;
  Result<> restored(EventTime watermark) override;

 private:
  Result<> add_rows(Batch batch, DataChunk& groups, const Slot* sessions, Emitter& out);
  Result<> absorb(Slot into, Slot absorbed);
  Result<> fill_outputs(const Slot* sessions, size_t count, DataChunk& out, Emitter& emitter);
  Result<> emit(const std::vector<Slot>& sessions, Emitter& out);
  Result<> tell(const std::vector<Slot>& sessions, Emitter& out);

  const WindowAggregateNode node_;
  SchemaRef schema_;
  Accumulators accumulators_;
  SessionTable sessions_;
  ToldRows told_;
  Pace pace_;
  EventTime closed_ = EventTime::min();  ///< Every session with end - 1 ms <= closed_ has been given out.
};

}  // namespace headrace
