// Alerts: rows of a relation for which a condition holds, for at least some time.
#pragma once

#include "expr/row_evaluator.h"
#include "ops/operator.h"
#include "plan/nodes.h"

namespace headrace {

enum class AlertState : uint8_t { pending = 1, firing = 2, resolved = 3 };

/// A row's alert as the doors show it.
struct AlertInstance {
  uint64_t id = 0;                   ///< The same as long as its key has a state.
  std::shared_ptr<const Batch> row;  ///< One row.
  AlertState state = AlertState::pending;
  int64_t since_us = 0, fired_us = 0, resolved_us = 0;
};

/// State: table "rows": one per key of the relation (the whole row where it has none), with its other columns as they
/// are now; how often the condition holds for it, its state and times. With FOR, a row fires when the condition has
/// held so long: by the watermark where the relation has a time column, so that a replay fires as the day itself did,
/// else by the ticks' clock. What counts is what stands at the end of a tick. A resolved row is forgotten after it was
/// shown for one tick.
class AlertOperator final : public Operator {
 public:
  AlertOperator(const AlertNode& node, const OperatorContext& context);

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;
  Result<> on_watermark(EventTime watermark, Emitter&) override;
  Result<> on_tick_end(const TickInfo& tick, Emitter& out) override;
  std::vector<Table*> tables() override { return {&table_}; }

  bool on_event_time() const { return time_column_.has_value(); }
  /// All rows with a state, and those that began or ended to fire in the last tick.
  const std::vector<AlertInstance>& instances() const { return instances_; }
  std::vector<AlertInstance> take_events() { return std::exchange(events_, {}); }

 private:
  struct Plain {
    int64_t copies, since_us, fired_us, resolved_us;
    int64_t state;
  };

  void keep_values(const Batch& held, const Slot* slots);
  std::shared_ptr<Batch> row_of(Slot slot) const;
  bool has_held_long(const Plain& plain, const TickInfo& tick) const;
  /// Brings a row's state to what holds now; true when it began or ended to fire.
  bool move(Plain& plain, const Batch& row, const TickInfo& tick) const;

  AlertNode node_;
  SchemaRef schema_;
  RowEvaluator condition_;
  std::vector<size_t> identity_, rest_;  ///< Columns that name a row, and the others.
  std::optional<size_t> time_column_;    ///< Its event time; not set: the ticks' time counts.
  Table table_;
  EventTime watermark_ = EventTime::min();
  bool changed_ = true;
  std::vector<AlertInstance> instances_, events_;
};

}  // namespace headrace
