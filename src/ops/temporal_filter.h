// A filter over now(): a row is shown from one moment until another, both of which follow from the row.
#pragma once

#include <vector>

#include "expr/row_evaluator.h"
#include "ops/operator.h"
#include "plan/nodes.h"

namespace headrace {

/// State: table "rows", by whole row, of those that are still to come in or to go. A row that is past when it comes is
/// filtered, one that is not yet due is held; one that stays for ever is passed on and not kept. What is due is told at
/// the start of its tick, before the tick's own rows, in hash order. Expects that now() does not go back.
class TemporalFilterOperator final : public Operator {
 public:
  TemporalFilterOperator(const TemporalFilterNode& node, const OperatorContext& context);

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;
  Result<> on_tick_end(const TickInfo& tick, Emitter& out) override { return advance(tick.now_us, out); }
  int64_t due_us() const override { return schedule_.empty() ? never_due : schedule_.front().us; }
  std::vector<Table*> tables() override { return {&table_}; }
  Result<> restored(EventTime) override;

 private:
  /// When a row is there: from `from_us` on, as long as now() is before `until_us`.
  struct Stay {
    int64_t from_us, until_us;
  };
  /// A row of the table.
  struct Kept {
    Stay stay;
    int64_t copies;
    int64_t told;  ///< It has come in.

    int64_t due_us() const { return told ? stay.until_us : stay.from_us; }
  };
  struct Due {
    int64_t us;
    Slot slot;

    bool operator>(const Due& other) const { return us > other.us; }
  };

  Kept& kept(Slot slot) { return *reinterpret_cast<Kept*>(table_.plain(slot)); }
  const Kept& kept(Slot slot) const { return *reinterpret_cast<const Kept*>(table_.read_plain(slot)); }
  bool is_current(const Due& due) const;
  Result<> find_stays(Batch& batch, Emitter& out);
  void keep(Batch batch, int64_t now_us);
  void schedule(Slot slot);
  void forget(Slot slot);
  Result<> advance(int64_t now_us, Emitter& out);
  Result<> tell(const std::vector<Slot>& slots, int32_t sign, Emitter& out);

  std::vector<ClockBound> bounds_;
  SchemaRef schema_, times_schema_;
  RowEvaluator times_;
  std::vector<size_t> hashed_;  ///< The columns that bring a row to this shard (run/graph.cc).
  Table table_;
  std::vector<Due> schedule_;  ///< A heap, the earliest first. Rows that were taken back may still stand in it,
  size_t stale_ = 0;           ///< about so many.
  std::vector<Stay> stays_;    ///< Of the batch's rows.
};

}  // namespace headrace
