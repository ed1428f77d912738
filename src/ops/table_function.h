// Table function: any number of rows for each row, given by a user's function.
#pragma once

#include "ops/operator.h"
#include "plan/nodes.h"

namespace headrace {

/// Stateless; keeps row order. A row's diff and stamp are those of all rows made of it. Rows on which the function
/// fails go to the quarantine.
class TableFunctionOperator final : public Operator {
 public:
  explicit TableFunctionOperator(const TableFunctionNode& node);

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;

 private:
  Result<> emit(Batch& batch, const std::vector<uint32_t>& rows, const std::vector<uint32_t>& items, Vector& structs,
                Emitter& out);

  UserFunction function_;
  std::vector<size_t> arguments_;
  bool keeps_all_;
  CallTypes types_;
  SchemaRef schema_;
};

}  // namespace headrace
