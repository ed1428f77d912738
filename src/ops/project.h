// Project: computes one column per expression.
#pragma once

#include "ops/failing.h"
#include "ops/operator.h"
#include "plan/nodes.h"

namespace headrace {

/// Stateless; keeps row order. Rows on which an expression fails go to the quarantine.
class ProjectOperator final : public Operator {
 public:
  ProjectOperator(const ProjectNode& node, const OperatorContext& context)
      : schema_(node.output.schema()), expressions_(context.evaluation, node.expressions, failing_of(node)) {}

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override {
    const int64_t rows = batch.rows();
    HEADRACE_ASSIGN(Batch projected, expressions_.project(batch, schema_, [&](uint32_t row, const Error& reason) {
      out.reject(batch, row, reason);
      ++out.counters.quarantined;
    }));
    out.counters.passed += projected.rows();
    if (projected.rows() == 0 && rows > 0) return {};
    return out.emit(std::move(projected), 0);
  }

 private:
  SchemaRef schema_;
  RowEvaluator expressions_;
};

}  // namespace headrace
