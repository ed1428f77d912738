// Running bound expressions over chunks, with DuckDB's ExpressionExecutor. Exceptions become Errors here.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "duck/expression.h"

namespace headrace {

/// What an executor needs of DuckDB (a connection with an open transaction). One per thread; outlives its evaluators.
class EvaluationContext {
 public:
  virtual ~EvaluationContext() = default;
  /// What now() gives from here on, on the calling thread: microseconds since 1970.
  static void set_now(int64_t now_us);
  static int64_t now_us();
};

/// Evaluates a list of expressions over chunks. One thread.
class Evaluator {
 public:
  Evaluator(EvaluationContext& context, std::vector<Expr> expressions);
  ~Evaluator();
  Evaluator(Evaluator&&) noexcept;

  /// Writes one vector per expression into `out` (initialised with their types; reset by the call). The result may
  /// reference `in`. Errors: expression_failed, or what a user's function gave.
  Result<> evaluate(DataChunk& in, DataChunk& out);
  /// The rows for which the only expression is true, ascending.
  Result<> select(DataChunk& in, std::vector<uint32_t>& rows);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace headrace
