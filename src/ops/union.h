// Union: the rows of all inputs. Its stamps are those of the union's own watermark: a row may only be late for what the
// slowest input has passed.
#pragma once

#include "ops/operator.h"
#include "plan/nodes.h"

namespace headrace {

class UnionOperator final : public Operator {
 public:
  explicit UnionOperator(const UnionNode& node) : schema_(node.output.schema()) {}

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override {
    out.counters.passed += batch.rows();
    batch.schema = schema_;
    for (int64_t& stamp : batch.stamps_ms) stamp = std::min(stamp, watermark_.ms);
    return out.emit(std::move(batch), 0);
  }
  Result<> on_watermark(EventTime time, Emitter&) override {
    watermark_ = time;
    return {};
  }
  Result<> restored(EventTime watermark) override {
    watermark_ = watermark;
    return {};
  }

 private:
  SchemaRef schema_;
  EventTime watermark_ = EventTime::min();
};

}  // namespace headrace
