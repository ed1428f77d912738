// Top-N and deduplication: of the rows of each partition, those of the first ranks.
#pragma once

#include <map>

#include "ops/operator.h"
#include "ops/ranked_rows.h"

namespace headrace {

/// State: the rows of each partition in order (RankedRows "top"); only those up to the limit where no row is ever taken
/// back. What changes of a partition's result is told once, at the end of the tick. With `window_end` a partition is
/// freed when the watermark passes its end, and (but for `emit_updates`) told only then; rows behind the watermark are
/// late.
class TopNOperator final : public Operator {
 public:
  TopNOperator(const TopNNode& node, const OperatorContext& context);

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;
  Result<> on_watermark(EventTime time, Emitter& out) override;
  EventTime last_due() const override;
  Result<> on_tick_end(const TickInfo&, Emitter& out) override;
  Result<> tell_waiting(WaitingReport& report) override;
  std::vector<Table*> tables() override { return rows_.rows().tables(); }
  Result<> restored(EventTime watermark) override;

 private:
  struct Partition {
    Slot gone_plus_one = 0;  ///< The first of its rows that were told and are no more.
    uint32_t added = 0;      ///< Rows since the last telling.
    bool touched = false;
    bool open = false;  ///< It stands in open_.
  };
  struct RowState {
    uint32_t told = 0;  ///< The rank it was told with; 0 = not told.
    uint32_t now = 0;   ///< While telling: the rank it has.
    Slot next_gone_plus_one = 0;
  };
  class Changes;

  /// True when results are told once, when a window closes.
  bool tells_on_close() const { return node_.window_end && !node_.emit_updates; }
  Batch without_late(Batch batch, Emitter& out);
  void add_rows(Batch& batch, SortKeys& order, const std::vector<uint32_t>& rows, const uint64_t* hashes,
                const Slot* partitions);
  void take_back(Batch& batch, SortKeys& order, const std::vector<uint32_t>& rows, const Slot* partitions);
  bool has_place(Slot partition, std::string_view order) const;
  void drop_behind_limit(Slot partition);
  void drop(Slot row);
  void touch(Slot partition);
  void open(Slot partition, int64_t end);
  int64_t end_of(Slot partition) const;
  std::vector<Slot> in_hash_order(const std::vector<Slot>& partitions) const;
  std::optional<EventTime> window_start(const std::vector<Slot>& partitions);
  void read_result(Slot partition);
  Result<> tell(Slot partition, Changes& changes);
  Result<> tell_by_place(Changes& changes);
  Result<> tell_by_row(Changes& changes);
  bool same_row(Slot a, Slot b) const;

  const TopNNode node_;
  bool sessions_;  ///< Its windows are sessions: see WindowAggregateOperator.
  SchemaRef schema_;
  size_t width_;      ///< Columns of a row, without the rank.
  int64_t capacity_;  ///< The last rank of the result.
  bool by_place_;     ///< A rank (or a partition) names a result row, so that it is replaced.
  RankedRows rows_;
  std::vector<Partition> partitions_;          ///< By slot.
  std::vector<RowState> states_;               ///< By slot of the row.
  std::vector<Slot> touched_;                  ///< Partitions.
  std::map<int64_t, std::vector<Slot>> open_;  ///< With window_end: the partitions by their end.
  EventTime closed_ = EventTime::min();        ///< Every partition with end - 1 ms <= closed_ has been given out.

  struct Ranked {
    Slot row;
    uint32_t rank;
  };
  // Scratch.
  std::vector<int64_t> ends_;
  std::vector<Slot> order_;
  std::vector<Ranked> result_, told_;
};

}  // namespace headrace
