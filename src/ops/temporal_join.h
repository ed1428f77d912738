// The event-time temporal join: each row of the left input meets the version of its key that was valid at the row's
// time. It waits until the watermark of both inputs has passed that time; then no other version can come any more, and
// the answer is final.
#pragma once

#include <optional>
#include <vector>

#include "expr/row_evaluator.h"
#include "ops/operator.h"
#include "ops/version_table.h"
#include "plan/nodes.h"

namespace headrace {

/// State: tables "waiting" (left rows whose time is yet to come) and "versions"; where the left input changes, also
/// "late", the rows that came too late, so that their retractions are known. Versions that no row can ask for any more
/// are freed when the left input only grows; a retraction may ask for any of them.
class TemporalJoinOperator final : public Operator {
 public:
  TemporalJoinOperator(const TemporalJoinNode& node, const OperatorContext& context);

  Result<> on_batch(uint32_t input, Batch batch, Emitter& out) override;
  Result<> on_watermark(EventTime time, Emitter& out) override;
  EventTime last_due() const override;
  Result<> tell_waiting(WaitingReport& report) override;
  std::vector<Table*> tables() override;
  Result<> restored(EventTime watermark) override;

 private:
  /// A waiting row's plain bytes.
  struct Waiting {
    int64_t time_ms, stamp_ms, arrival;
    int32_t diff, unused;
  };
  /// A waiting row, in the order of the heap that says which one is due.
  struct Due {
    int64_t time_ms;
    Slot slot;
    bool operator>(const Due& other) const { return time_ms > other.time_ms; }
  };

  Result<> take_left(Batch batch, Emitter& out);
  Result<> take_versions(Batch batch, Emitter& out);
  std::vector<uint32_t> drop_late(Batch& batch, Emitter& out);
  void remember_late(Batch row);
  bool forget_late(Batch row);
  void add_versions(Batch& batch, const int64_t* times_ms);
  void take_back_version(Batch& row);
  Result<> give_out(const Slot* rows, size_t count, Emitter& out);
  Batch left_rows(const Slot* rows, size_t count) const;
  std::vector<Slot> versions_of(Batch& left) const;
  Batch beside_versions(const Batch& left, const std::vector<Slot>& versions) const;
  Result<> check_condition(Batch& left, std::vector<Slot>& versions, std::vector<uint8_t>& failed, Emitter& out);

  const Waiting& waiting(Slot slot) const { return *reinterpret_cast<const Waiting*>(waiting_.read_plain(slot)); }

  const TemporalJoinNode node_;
  SchemaRef schema_, left_schema_;
  Table waiting_;
  VersionTable versions_;
  KeyedRows late_;
  std::vector<Due> due_;  ///< A heap, the earliest first.
  int64_t arrivals_ = 0;
  std::optional<RowEvaluator> condition_;
};

}  // namespace headrace
