// Alerts: rows of a relation for which a condition holds, for at least some time.
#pragma once

#include "expr/row_evaluator.h"
#include "ops/operator.h"
#include "plan/nodes.h"

namespace headrace {

enum class AlertState : uint8_t { pending = 1, firing = 2, resolved = 3 };

/// A row's alert as the doors show it.
struct AlertInstance {
  std::shared_ptr<const Batch> row;  ///< One row.
  AlertState state = AlertState::pending;
  int64_t since_us = 0, fired_us = 0, resolved_us = 0;
};

/// State: table "rows": the whole row; how often it is there, its state and times. Time is that of the tick; with FOR,
/// a row fires when the condition has held so long. A resolved row is forgotten after it was shown for one tick.
class AlertOperator final : public Operator {
 public:
  AlertOperator(const AlertNode& node, const OperatorContext& context);

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;
  Result<> on_tick_end(const TickInfo& tick, Emitter& out) override;
  std::vector<Table*> tables() override { return {&table_}; }

  /// All rows with a state, and those that began or ended to fire in the last tick.
  const std::vector<AlertInstance>& instances() const { return instances_; }
  std::vector<AlertInstance> take_events() { return std::exchange(events_, {}); }

 private:
  struct Plain {
    int64_t copies, since_us, fired_us, resolved_us;
    int64_t state;
  };

  AlertNode node_;
  RowEvaluator condition_;
  Table table_;
  bool changed_ = true;
  std::vector<AlertInstance> instances_, events_;
};

}  // namespace headrace
