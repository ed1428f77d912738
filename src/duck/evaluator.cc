#include "duck/evaluator.h"

#include <duckdb/execution/expression_executor.hpp>

#include "duck/connection.h"
#include "duck/failure.h"
#include "duck/functions.h"

namespace headrace {

struct Evaluator::State {
  std::vector<Expr> expressions;
  duckdb::ExpressionExecutor executor;
  duckdb::SelectionVector selection{static_cast<duckdb::idx_t>(rows_per_batch)};

  State(EvaluationContext& context, std::vector<Expr> list)
      : expressions(std::move(list)), executor(*static_cast<ConnectionContext&>(context).connection.context) {
    for (const Expr& expression : expressions) executor.AddExpression(expression.bound());
  }
};

void EvaluationContext::set_now(int64_t now_us) {
  set_tick_time(now_us);
}

int64_t EvaluationContext::now_us() {
  return tick_time();
}

Evaluator::Evaluator(EvaluationContext& context, std::vector<Expr> expressions)
    : state_(std::make_unique<State>(context, std::move(expressions))) {}
Evaluator::~Evaluator() = default;
Evaluator::Evaluator(Evaluator&&) noexcept = default;

Result<> Evaluator::evaluate(DataChunk& in, DataChunk& out) {
  return guarded(Code::expression_failed, [&]() -> Result<> {
    out.Reset();
    state_->executor.Execute(in, out);
    return {};
  });
}

Result<> Evaluator::select(DataChunk& in, std::vector<uint32_t>& rows) {
  return guarded(Code::expression_failed, [&]() -> Result<> {
    duckdb::idx_t count = state_->executor.SelectExpression(in, state_->selection);
    rows.resize(count);
    for (duckdb::idx_t i = 0; i < count; ++i) rows[i] = static_cast<uint32_t>(state_->selection.get_index(i));
    return {};
  });
}

}  // namespace headrace
