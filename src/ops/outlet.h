// The end of the graph at a sink: gathers rows until the engine hands them to the checkpoint thread.
#pragma once

#include "ops/operator.h"
#include "plan/nodes.h"

namespace headrace {

class OutletOperator final : public Operator {
 public:
  explicit OutletOperator(const SinkNode& node) : schema_(node.output.schema()) {}

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override {
    out.counters.passed += batch.rows();
    rows_ += batch.rows();
    batch.schema = schema_;
    batch.stamps_ms.clear();
    if (!batches_.empty() && batches_.back().rows() + batch.rows() <= rows_per_batch)
      batches_.back().append(batch, all_but(batch.chunk.size(), {}));
    else
      batches_.push_back(batch.copy());
    return {};
  }

  int64_t rows() const { return rows_; }
  std::vector<Batch> take() {
    rows_ = 0;
    return std::exchange(batches_, {});
  }

 private:
  SchemaRef schema_;
  std::vector<Batch> batches_;
  int64_t rows_ = 0;
};

}  // namespace headrace
