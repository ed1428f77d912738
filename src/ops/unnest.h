// UNNEST: one row per element of lists.
#pragma once

#include "expr/row_evaluator.h"
#include "ops/operator.h"
#include "plan/nodes.h"

namespace headrace {

/// Stateless; keeps row order and diffs. A row whose lists are all empty or NULL gives no row.
class UnnestOperator final : public Operator {
 public:
  UnnestOperator(const UnnestNode& node, const OperatorContext& context);
  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;

 private:
  Result<> flush(Batch& in, Batch& lists, Emitter& out);

  SchemaRef schema_, lists_schema_;
  RowEvaluator lists_;
  std::vector<uint32_t> rows_;
  std::vector<uint64_t> elements_;  ///< Number of the element in its row's lists.
};

}  // namespace headrace
