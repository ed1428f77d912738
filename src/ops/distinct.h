// DISTINCT over rows with event time: each value once, as soon as it comes. A row keeps its stamp, so that whether it
// is late for a window above does not depend on what else came in its tick. Without event time it is a GROUP BY without
// aggregates (ops/aggregate.h).
#pragma once

#include "ops/operator.h"
#include "plan/nodes.h"

namespace headrace {

/// State: table "values": keyed by the whole row, with how many times it is there.
class DistinctOperator final : public Operator {
 public:
  explicit DistinctOperator(const AggregateNode& node);

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;
  std::vector<Table*> tables() override { return {&table_}; }

 private:
  int64_t& copies(Slot value) { return *reinterpret_cast<int64_t*>(table_.plain(value)); }

  SchemaRef schema_;
  const std::vector<size_t> columns_;
  Table table_;
};

}  // namespace headrace
