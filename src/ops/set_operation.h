// INTERSECT and EXCEPT over inputs that may change.
#pragma once

#include "ops/operator.h"
#include "plan/nodes.h"

namespace headrace {

/// State: one row per distinct row of both inputs, with how often it is in each and how often it was told. What changed
/// is told at the end of a tick.
class SetOperationOperator final : public Operator {
 public:
  explicit SetOperationOperator(const SetOperationNode& node);

  Result<> on_batch(uint32_t input, Batch batch, Emitter& out) override;
  Result<> on_tick_end(const TickInfo&, Emitter& out) override;
  std::vector<Table*> tables() override { return {&table_}; }
  Result<> restored(EventTime) override {
    touched_.clear();
    return {};
  }

 private:
  struct Counts {
    int64_t in[2];
    int64_t told, touched;
  };
  int64_t wanted(const Counts& counts) const;
  Result<> flush(std::vector<Slot>& rows, std::vector<int32_t>& diffs, Emitter& out);

  bool except_, all_;
  SchemaRef schema_;
  std::vector<size_t> columns_;
  Table table_;
  std::vector<Slot> touched_;
};

}  // namespace headrace
