// Window functions whose results change.
#pragma once

#include "ops/operator.h"
#include "ops/over_query.h"
#include "ops/ranked_rows.h"

namespace headrace {

/// Takes changes, and functions that look ahead. State: all rows of each partition in order (RankedRows "over"), with
/// the results that were told of them. At the end of a tick each partition that was touched is computed anew, and what
/// differs is told.
class ChangingOverOperator final : public Operator {
 public:
  ChangingOverOperator(const OverNode& node, const OperatorContext& context);

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;
  Result<> on_tick_end(const TickInfo&, Emitter& out) override;
  std::vector<Table*> tables() override { return rows_.rows().tables(); }
  Result<> restored(EventTime) override;

 private:
  class Changes;

  void add(Batch& batch, const std::vector<uint32_t>& rows, const uint64_t* hashes, const Slot* partitions);
  void take_back(Batch& batch, const std::vector<uint32_t>& rows, const Slot* partitions);
  void touch(Slot partition);
  std::vector<Slot> touched_partitions();
  Result<> tell(const Slot* rows, size_t count, DataChunk& results, Changes& changes);
  bool is_told(Slot row) const { return row < told_.size() && told_[row]; }

  const OverNode node_;
  SchemaRef schema_;
  size_t width_;  ///< Columns of a row, without the functions'.
  RankedRows rows_;
  OverQuery query_;
  std::vector<uint8_t> told_;         ///< By slot of the row.
  std::vector<uint8_t> is_touched_;   ///< By slot of the partition.
  std::vector<Slot> touched_, gone_;  ///< Partitions; rows that were told and are no more.
};

}  // namespace headrace
