// Evaluates expressions over a batch. When they fail, the batch is bisected to the rows that fail: those are reported,
// the rest goes on.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "data/batch.h"
#include "duck/evaluator.h"

namespace headrace {

/// What becomes of a row on which an expression fails: it is reported, or the expression is NULL there (and a
/// condition not true).
enum class Failing : uint8_t { reported, null };

class RowEvaluator {
 public:
  using OnRejected = std::function<void(uint32_t row, const Error& reason)>;

  RowEvaluator(EvaluationContext& context, std::vector<Expr> expressions, Failing failing = Failing::reported);

  /// Computes all expressions for the rows that do not fail. Gives a batch of `schema` with their diffs and stamps; it
  /// may reference `in`. Errors: only those that are not a row's (a function's process could not be started ...).
  Result<Batch> project(Batch& in, const SchemaRef& schema, const OnRejected& on_rejected);
  /// The rows for which the only expression is true; failing rows are reported and left out.
  Result<> select(Batch& in, std::vector<uint32_t>& rows, const OnRejected& on_rejected);

 private:
  /// Evaluates a part of the batch: its rows, and their places in the whole.
  using OnPart = std::function<Result<>(Batch& part, const std::vector<uint32_t>& rows)>;
  /// `rows` failed together: evaluates ever smaller parts until each passes, or is one row that does not. A row's
  /// outcome is that of the part it passed with, so a function that fails now and then, or only with many rows, costs
  /// no healthy row.
  Result<> split(Batch& in, const std::vector<uint32_t>& rows, const Error& failure, const OnPart& evaluate,
                 const OnRejected& on_rejected);

  /// Every expression by itself, NULL where it fails.
  Result<> evaluate_each(Batch& in, DataChunk& out);

  EvaluationContext& context_;
  const std::vector<Expr> expressions_;
  const Failing failing_;
  std::vector<LogicalType> types_;
  Evaluator evaluator_;
  std::vector<std::unique_ptr<RowEvaluator>> each_;  ///< Made when something fails for the first time.
};

}  // namespace headrace
