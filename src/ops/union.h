// Union: the rows of all inputs. A row may only be late for what the slowest input has passed: before a source's row
// stands its own watermark and how far the other sources had come in the order in which the tick merges them; before a
// row that an operator made, what the union itself had passed. Branches of one source bring its rows more than once:
// those of a batch go on together, in the order in which they arrived at the source.
#pragma once

#include <set>
#include <string>

#include "ops/arrival_order.h"
#include "ops/low_points.h"
#include "ops/operator.h"
#include "plan/nodes.h"

namespace headrace {

class UnionOperator final : public Operator {
 public:
  UnionOperator(const UnionNode& node, const OperatorContext& context)
      : id_(node.id),
        schema_(node.output.schema()),
        low_points_(context.low_points),
        merges_(node.output.watermark && has_common_source(context.plan, node)),
        came_(node.inputs.size()) {}

  Result<> on_batch(uint32_t input, Batch batch, Emitter& out) override {
    out.counters.passed += batch.rows();
    batch.schema = schema_;
    const EventTime others = low_points_.others(id_, batch.ordinal).value_or(watermark_);
    for (int64_t& stamp : batch.stamps_ms) stamp = std::min(stamp, others.ms);
    if (!merges_ || batch.stamps_ms.empty()) return out.emit(std::move(batch), 0);
    if (batch.ordinal != ordinal_) HEADRACE_TRY(give(out));
    ordinal_ = batch.ordinal;
    came_[input].push_back(batch.copy());
    return {};
  }
  Result<> on_watermark(EventTime time, Emitter& out) override {
    HEADRACE_TRY(give(out));
    watermark_ = time;
    return {};
  }
  Result<> on_tick_end(const TickInfo&, Emitter& out) override { return give(out); }
  Result<> restored(EventTime watermark) override {
    watermark_ = watermark;
    return {};
  }

 private:
  static bool has_common_source(const Plan& plan, const UnionNode& node) {
    std::set<std::string> all;
    size_t count = 0;
    for (const Input& input : node.inputs) {
      std::set<std::string> own;
      collect_sources(plan, input, own);
      count += own.size();
      all.merge(own);
    }
    return all.size() < count;
  }
  Result<> give(Emitter& out) {
    std::vector<std::vector<Batch>> came(came_.size());
    came.swap(came_);
    for (Batch& batch : in_arrival_order(std::move(came))) HEADRACE_TRY(out.emit(std::move(batch), 0));
    return {};
  }

  NodeId id_;
  SchemaRef schema_;
  const LowPoints& low_points_;
  const bool merges_;
  std::vector<std::vector<Batch>> came_;  ///< By input, of one ordinal.
  Ordinal ordinal_{};
  EventTime watermark_ = EventTime::min();
};

}  // namespace headrace
