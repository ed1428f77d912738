// Union: the rows of all inputs. A row may only be late for what the slowest input has passed: before a source's row
// stands its own watermark and how far the other sources had come in the order in which the tick merges them; before a
// row that an operator made, what the union itself had passed.
#pragma once

#include "ops/low_points.h"
#include "ops/operator.h"
#include "plan/nodes.h"

namespace headrace {

class UnionOperator final : public Operator {
 public:
  UnionOperator(const UnionNode& node, const OperatorContext& context)
      : id_(node.id), schema_(node.output.schema()), low_points_(context.low_points) {}

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override {
    out.counters.passed += batch.rows();
    batch.schema = schema_;
    const EventTime others = low_points_.others(id_, batch.ordinal).value_or(watermark_);
    for (int64_t& stamp : batch.stamps_ms) stamp = std::min(stamp, others.ms);
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
  NodeId id_;
  SchemaRef schema_;
  const LowPoints& low_points_;
  EventTime watermark_ = EventTime::min();
};

}  // namespace headrace
