// DuckDB's own aggregates over a bag of values: median, stddev, list and the like, computed when the result is asked
// for.
#pragma once

#include <memory>

#include "base/result.h"
#include "duck/bound_relation.h"
#include "duck/evaluator.h"

namespace headrace {

/// One bound aggregate. One thread.
class BagFunction {
 public:
  BagFunction(EvaluationContext& context, const AggregateCall& call);
  ~BagFunction();
  BagFunction(BagFunction&&) noexcept;

  /// Starts a new group.
  void reset();
  /// Adds rows of arguments to the group.
  Result<> add(DataChunk& arguments);
  /// Writes the group's result to `out[row]`.
  Result<> result(Vector& out, size_t row);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headrace
