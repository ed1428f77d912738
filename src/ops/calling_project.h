// Project whose expressions call users' functions: rows of a tick are held until there are enough for a call.
#pragma once

#include <optional>

#include "duck/held_rows.h"
#include "duck/user_calls.h"
#include "ops/operator.h"
#include "ops/project.h"

namespace headrace {

/// Keeps row order, and nothing from tick to tick: what is held goes out before the watermark does, so no row comes
/// later than it would one batch at a time. Where a call fails, each batch goes through by itself, as in
/// ProjectOperator.
class CallingProjectOperator final : public Operator {
 public:
  CallingProjectOperator(const ProjectNode& node, const OperatorContext& context, SplitExpressions split);

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;
  Result<> on_watermark(EventTime, Emitter& out) override { return give(out); }
  Result<> on_tick_end(const TickInfo&, Emitter& out) override { return give(out); }

  static constexpr size_t rows_held_max = 4 * static_cast<size_t>(rows_per_batch);

 private:
  struct Call {
    UserCall call;
    std::optional<Evaluator> arguments;  ///< Unset: they are columns as they stand.
  };
  /// What belongs to a batch beside its columns.
  struct Held {
    size_t first = 0, rows = 0;
    std::vector<int32_t> diffs;
    std::vector<int64_t> stamps_ms;
    Ordinal ordinal;
  };

  Result<> give(Emitter& out);
  Result<> call_all(DataChunk& columns);
  Result<> fill_arguments(Call& call, DataChunk& columns, DataChunk& arguments);
  Result<> project(Held& held, DataChunk* columns, Emitter& out);

  const SchemaRef schema_, in_schema_;
  std::vector<Call> calls_;
  RowEvaluator rest_, whole_;  ///< Over the input and the results; over the input alone.
  HeldRows rows_;
  std::vector<Held> held_;
};

/// Holds no rows back where they meet those of other inputs further on: there it matters who comes first.
std::unique_ptr<Operator> make_project(const ProjectNode& node, const OperatorContext& context);

}  // namespace headrace
