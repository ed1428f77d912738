// Window functions over rows in memory, computed by DuckDB: rows in, one result row each out, in the same order.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "duck/evaluator.h"

namespace headrace {

/// One list of window functions, prepared once and run as often as needed. One thread.
class WindowQuery {
 public:
  /// `functions` are SQL over the columns c0, c1, ... of `types`, and n, the number of a row from 0 on.
  WindowQuery(EvaluationContext& context, std::vector<LogicalType> types, std::vector<std::string> functions);
  ~WindowQuery();
  WindowQuery(WindowQuery&&) noexcept;

  /// Adds rows, behind those that are there. They are copied.
  Result<> add(DataChunk& rows);
  /// Computes the functions over all rows that were added since the last run, and hands the results to `take`, in the
  /// order of the rows. Errors: expression_failed, or what `take` gave.
  Result<> run(const std::function<Result<>(DataChunk& results)>& take);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headrace
