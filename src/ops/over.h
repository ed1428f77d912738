// Window functions over rows in order of time.
#pragma once

#include <variant>

#include "ops/operator.h"
#include "ops/over_query.h"
#include "ops/ranked_rows.h"
#include "ops/running_totals.h"

namespace headrace {

/// A row's results are given once, when the watermark reaches its time: no row before it is expected any more. State:
/// the rows of each partition in order (RankedRows "over"): those that wait, and of those that were given as many as
/// later rows look back at; or totals instead of those. Rows behind the watermark are late.
class OverOperator final : public Operator {
 public:
  OverOperator(const OverNode& node, const OperatorContext& context);

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;
  Result<> on_watermark(EventTime time, Emitter& out) override;
  EventTime last_due() const override;
  Result<> tell_waiting(WaitingReport& report) override;
  std::vector<Table*> tables() override;
  Result<> restored(EventTime watermark) override;

 private:
  /// A row whose turn comes when the watermark reaches `time_ms`.
  struct Turn {
    int64_t time_ms;
    Slot row;
    bool operator>(const Turn& other) const { return time_ms > other.time_ms; }
  };
  /// The next turn stands first (std::push_heap).
  using Turns = std::vector<Turn>;
  static void push(Turns& turns, Turn turn);
  static std::vector<Turn> take(Turns& turns, EventTime until);

  Batch without_late(Batch batch, Emitter& out);
  int64_t time_of(Slot row) const;
  int64_t expiry_of(Slot row) const;
  std::vector<Slot> partitions_of(const std::vector<Turn>& due) const;
  bool is_given(Slot row) const;
  void note_given(const std::vector<Turn>& due);
  Result<> give(const std::vector<Turn>& due, Emitter& out);
  void compute_over(const std::vector<Slot>& rows);
  const std::vector<Slot>& computed() const;
  Result<> emit(const std::vector<uint32_t>& places, std::vector<Vector>& results, Emitter& out);
  Batch without_failed(Batch batch, const std::vector<uint32_t>& places, Emitter& out) const;
  void let_go(Slot partition, const Slot* given, size_t count);
  void erase(Slot row);

  const OverNode node_;
  SchemaRef schema_;
  size_t width_;           ///< Columns of a row, without the functions'.
  int64_t time_shift_ms_;  ///< From the time column to the last millisecond that belongs to it.
  RankedRows rows_;
  std::variant<OverQuery, RunningTotals> functions_;
  Turns waiting_;                       ///< Rows that were not given.
  Turns expiring_;                      ///< keeps == recent: rows that were given, by when nobody looks back at them.
  EventTime given_ = EventTime::min();  ///< Every row up to this time has been given.
  std::vector<int64_t> times_;          ///< Scratch, one per row of a batch.
};

}  // namespace headrace
