// Filter: passes on the rows for which a condition is true.
#pragma once

#include "ops/failing.h"
#include "ops/operator.h"
#include "plan/nodes.h"

namespace headrace {

/// Stateless; keeps row order. Rows on which the condition fails go to the quarantine.
class FilterOperator final : public Operator {
 public:
  FilterOperator(const FilterNode& node, const OperatorContext& context)
      : predicate_(context.evaluation, {node.predicate}, failing_of(node)) {}

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override {
    int64_t rejected = 0;
    HEADRACE_TRY(predicate_.select(batch, rows_, [&](uint32_t row, const Error& reason) {
      out.reject(batch, row, reason);
      ++rejected;
    }));
    const int64_t kept = static_cast<int64_t>(rows_.size());
    out.counters.passed += kept;
    out.counters.quarantined += rejected;
    out.counters.filtered += batch.rows() - kept - rejected;
    if (kept == 0) return {};
    if (kept == batch.rows()) return out.emit(std::move(batch), 0);  // Common case: copy nothing.
    return out.emit(batch.slice(rows_), 0);
  }

 private:
  RowEvaluator predicate_;
  std::vector<uint32_t> rows_;
};

}  // namespace headrace
