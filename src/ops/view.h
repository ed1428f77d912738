// A materialized view: keeps the rows of a result, and the changes of the tick for those who listen.
#pragma once

#include "ops/operator.h"
#include "plan/nodes.h"

namespace headrace {

/// State: table "rows": appended when the result only grows; else keyed by the whole row, with how many times it is
/// there.
class ViewOperator final : public Operator {
 public:
  explicit ViewOperator(const ViewNode& node);

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;
  std::vector<Table*> tables() override { return {&table_}; }

  const Table& table() const { return table_; }
  /// The changes since the last call, in order.
  std::vector<std::shared_ptr<const Batch>> take_changes() { return std::exchange(changes_, {}); }
  /// Where a row's multiplicity lies in its plain bytes.
  static int64_t copies(const char* plain) { return *reinterpret_cast<const int64_t*>(plain); }

 private:
  void keep(Batch& batch);

  SchemaRef schema_;
  /// What a row is hashed by: the columns that bring it to this shard (run/graph.cc), so that a restored row comes back
  /// to where its retraction will arrive.
  std::vector<size_t> hashed_;
  Table table_;
  std::vector<std::shared_ptr<const Batch>> changes_;
};

}  // namespace headrace
