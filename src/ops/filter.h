// Filter: passes on the rows for which a condition is true.
#pragma once

#include <optional>

#include "ops/failing.h"
#include "ops/operator.h"
#include "plan/nodes.h"

namespace headrace {

/// Keeps row order, and nothing from tick to tick. Rows on which the condition fails go to the quarantine. What is left
/// of a batch when few of its rows pass waits for what is left of the next ones: each operator below costs as much for
/// a batch of ten rows as for one of hundreds.
class FilterOperator final : public Operator {
 public:
  FilterOperator(const FilterNode& node, const OperatorContext& context);

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;
  Result<> on_shared(uint32_t, Batch& batch, Emitter& out) override;
  Result<> on_watermark(EventTime, Emitter& out) override { return give(out); }
  Result<> on_tick_end(const TickInfo&, Emitter& out) override { return give(out); }

 private:
  Result<bool> passes_whole(Batch& batch, Emitter& out);
  Result<> gather(const Batch& batch, Emitter& out);
  Result<> give(Emitter& out);

  RowEvaluator predicate_;
  const bool gathers_;
  std::vector<uint32_t> rows_;
  std::optional<Batch> few_;  ///< Of one ordinal, in memory of its own.
};

}  // namespace headrace
