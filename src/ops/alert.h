// Alerts: rows of a relation for which a condition holds, for at least some time.
#pragma once

#include <map>
#include <optional>

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

/// What a tick made of one row.
struct AlertChange {
  Slot slot;                         ///< Where the row stands: names it as long as it is shown.
  std::optional<AlertInstance> now;  ///< Not set: it is forgotten.
  bool event = false;                ///< It began or ended to fire.
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
  Result<> restored(EventTime) override;
  std::vector<Table*> tables() override { return {&table_}; }

  /// A row may change with the next tick though nothing comes in.
  bool waits_for_clock() const;
  /// What has changed since it was asked last, in order of the ticks and of the rows' places; after a restore that is
  /// all there is.
  std::vector<AlertChange> take_changes() { return std::exchange(changes_, {}); }

 private:
  struct Plain {
    int64_t copies, since_us, fired_us, resolved_us;
    int64_t state;
  };

  void keep_values(const Batch& held, const Slot* slots);
  std::shared_ptr<Batch> row_of(Slot slot) const;
  bool has_held_long(const Plain& plain, const TickInfo& tick) const;
  AlertInstance instance_of(Slot slot) const;
  /// Brings a row's state to what holds now; true when it began or ended to fire.
  bool move(Plain& plain, Slot slot, const TickInfo& tick) const;

  AlertNode node_;
  SchemaRef schema_;
  RowEvaluator condition_;
  std::vector<size_t> identity_, rest_;  ///< Columns that name a row, and the others.
  std::optional<size_t> time_column_;    ///< Its event time; not set: the ticks' time counts.
  Table table_;
  EventTime watermark_ = EventTime::min();
  /// The rows that the next tick's end looks at: those that batches came for (true), and those that are pending or
  /// resolved. What fires on is left alone, however much it is.
  std::map<Slot, bool> due_;
  std::vector<AlertChange> changes_;
};

}  // namespace headrace
