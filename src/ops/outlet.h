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
    Batch own = Batch::make(schema_);
    batch.chunk.Copy(own.chunk);
    own.diffs = std::move(batch.diffs);
    rows_ += own.rows();
    batches_.push_back(std::move(own));
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
