// GROUP BY over anything: one row per key, kept for ever, changed once per tick. Takes changes as well as plain rows.
#pragma once

#include "ops/accumulators.h"
#include "ops/pace.h"
#include "ops/told_rows.h"

namespace headrace {

/// State: table "groups" (key; the aggregates as last told) and one table of values per bag. At the end of a tick each
/// key that was touched gives at most one change: a row taken back (-1) and a row added (+1), neighbours in one batch.
/// Without groups there is always one row, also over no input at all.
class AggregateOperator final : public Operator {
 public:
  AggregateOperator(const AggregateNode& node, const OperatorContext& context);

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;
  Result<> on_tick_end(const TickInfo&, Emitter& out) override;
  int64_t due_us() const override { return told_.any_touched() ? 0 : never_due; }
  std::vector<Table*> tables() override;
  Result<> restored(EventTime) override;

 private:
  void make_only_group();
  Result<> tell(const Slot* slots, size_t count, Emitter& out);

  std::vector<size_t> groups_;
  size_t aggregates_count_;
  SchemaRef schema_;
  uint32_t shard_;
  Accumulators accumulators_;
  Table table_;
  ToldRows told_;
  Pace pace_;
};

}  // namespace headrace
