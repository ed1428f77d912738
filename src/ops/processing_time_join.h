// The look-up in a table that changes: each row of the left input meets the rows of its key that are there when it
// comes, at the end of its tick. What changes afterwards does not revise it.
#pragma once

#include <optional>
#include <vector>

#include "expr/row_evaluator.h"
#include "ops/operator.h"
#include "plan/nodes.h"
#include "state/keyed_rows.h"

namespace headrace {

/// State: table "rows", the right input's rows by key.
class ProcessingTimeJoinOperator final : public Operator {
 public:
  ProcessingTimeJoinOperator(const ProcessingTimeJoinNode& node, const OperatorContext& context);

  Result<> on_batch(uint32_t input, Batch batch, Emitter& out) override;
  Result<> on_tick_end(const TickInfo&, Emitter& out) override;
  std::vector<Table*> tables() override { return rows_.tables(); }
  Result<> restored(EventTime) override;

 private:
  /// Left rows beside right ones, not yet given out.
  struct Pairs {
    std::vector<uint32_t> left;
    std::vector<Slot> right;
  };

  void change_table(Batch batch);
  Result<> join(Batch& left, Emitter& out);
  Result<> give_out(const Batch& left, Pairs& pairs, std::vector<uint8_t>& matched, Emitter& out);
  Batch beside(const Batch& left, const std::vector<Slot>& right) const;

  const ProcessingTimeJoinNode node_;
  SchemaRef schema_;
  KeyedRows rows_;
  std::vector<Batch> came_;  ///< The tick's left rows: they wait for all of the tick's changes of the table.
  std::optional<RowEvaluator> condition_;
};

}  // namespace headrace
