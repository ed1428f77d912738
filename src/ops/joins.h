// Joins of a stream (input 0) with a static table (input 1). The table is complete before the first stream row comes,
// so each stream row is joined once and for all, whatever its diff.
#pragma once

#include "expr/row_evaluator.h"
#include "ops/static_table.h"
#include "plan/nodes.h"

namespace headrace {

/// Equal keys; INNER or LEFT, with a further condition.
class LookupJoinOperator final : public Operator {
 public:
  LookupJoinOperator(const LookupJoinNode& node, const OperatorContext& context);
  Result<> on_batch(uint32_t input, Batch batch, Emitter& out) override;

 private:
  struct Pairs {
    std::vector<uint32_t> left;
    std::vector<std::optional<StaticRow>> right;
  };
  Result<Batch> joined(Batch& stream, const Pairs& pairs);
  Result<> flush(Batch& stream, Pairs& pairs, std::vector<uint8_t>& matched, Emitter& out);

  LookupJoinNode node_;
  SchemaRef schema_;
  StaticTable table_;
  std::optional<RowEvaluator> residual_;
};

/// The nearest row of the same key by an ordered column.
class AsofJoinOperator final : public Operator {
 public:
  AsofJoinOperator(const AsofJoinNode& node, const OperatorContext& context);
  Result<> on_batch(uint32_t input, Batch batch, Emitter& out) override;
  Result<> on_end(uint32_t input, Emitter&) override;

 private:
  std::optional<StaticRow> nearest(const DataChunk& keys, size_t row, uint64_t hash, const duckdb::Value& at) const;

  AsofJoinNode node_;
  SchemaRef schema_;
  StaticTable table_;
  std::unordered_map<uint64_t, std::vector<StaticRow>>
      sorted_;  ///< By hash of the key; ascending by the ordered column.
};

}  // namespace headrace
