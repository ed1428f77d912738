#include "expr/row_evaluator.h"

#include <numeric>

namespace headrace {
namespace {

std::vector<LogicalType> types_of(const std::vector<Expr>& expressions) {
  std::vector<LogicalType> out;
  for (const Expr& expression : expressions) out.push_back(expression.type());
  return out;
}

/// A failure that other rows of the batch do not share.
bool is_of_a_row(const Error& error) {
  switch (error.code) {
    case Code::expression_failed:
    case Code::out_of_range:
    case Code::wrong_type:
    case Code::function_raised:
    case Code::function_died:
    case Code::function_timeout:
    case Code::function_result:
      return true;
    default:
      return false;
  }
}

}  // namespace

RowEvaluator::RowEvaluator(EvaluationContext& context, std::vector<Expr> expressions, Failing failing)
    : context_(context),
      expressions_(expressions),
      failing_(failing),
      types_(types_of(expressions)),
      evaluator_(context, std::move(expressions)) {}

Result<> RowEvaluator::bisect(Batch& in, std::vector<uint32_t> rows, std::vector<uint32_t>& healthy,
                              const OnRejected& on_rejected) {
  Batch part = in.slice(rows);
  DataChunk scratch;
  scratch.Initialize(duckdb::Allocator::DefaultAllocator(), {types_.begin(), types_.end()});
  Result<> done = evaluator_.evaluate(part.chunk, scratch);
  if (done) {
    healthy.insert(healthy.end(), rows.begin(), rows.end());
    return {};
  }
  if (!is_of_a_row(done.error())) return done;
  if (rows.size() == 1) {
    on_rejected(rows[0], done.error());
    return {};
  }
  size_t half = rows.size() / 2;
  HEADRACE_TRY(bisect(in, {rows.begin(), rows.begin() + static_cast<long>(half)}, healthy, on_rejected));
  return bisect(in, {rows.begin() + static_cast<long>(half), rows.end()}, healthy, on_rejected);
}

Result<std::vector<uint32_t>> RowEvaluator::healthy_rows(Batch& in, const OnRejected& on_rejected) {
  std::vector<uint32_t> rows(static_cast<size_t>(in.rows())), healthy;
  std::iota(rows.begin(), rows.end(), 0);
  HEADRACE_TRY(bisect(in, std::move(rows), healthy, on_rejected));
  return healthy;
}

Result<Batch> RowEvaluator::project(Batch& in, const SchemaRef& schema, const OnRejected& on_rejected) {
  Batch out = Batch::make(schema);
  out.ordinal = in.ordinal;
  Result<> done = evaluator_.evaluate(in.chunk, out.chunk);
  if (done) {
    out.diffs = std::move(in.diffs);
    out.stamps_ms = std::move(in.stamps_ms);
    return out;
  }
  if (!is_of_a_row(done.error())) return std::move(done).error();
  if (failing_ == Failing::null) {
    HEADRACE_TRY(evaluate_each(in, out.chunk));
    out.diffs = std::move(in.diffs);
    out.stamps_ms = std::move(in.stamps_ms);
    return out;
  }
  HEADRACE_ASSIGN(std::vector<uint32_t> healthy, healthy_rows(in, on_rejected));
  Batch rest = in.slice(healthy);
  if (!healthy.empty()) {
    HEADRACE_TRY(evaluator_.evaluate(rest.chunk, out.chunk));
  } else {
    out.chunk.Reset();
  }
  out.diffs = std::move(rest.diffs);
  out.stamps_ms = std::move(rest.stamps_ms);
  return out;
}

Result<> RowEvaluator::evaluate_each(Batch& in, DataChunk& out) {
  if (each_.empty())
    for (const Expr& expression : expressions_)
      each_.push_back(std::make_unique<RowEvaluator>(context_, std::vector<Expr>{expression}));
  const size_t rows = static_cast<size_t>(in.rows());
  out.Reset();
  for (size_t i = 0; i < each_.size(); ++i) {
    std::vector<uint8_t> failed(rows);
    Batch whole = in.share();
    HEADRACE_ASSIGN(Batch computed,
                    each_[i]->project(whole, std::make_shared<Schema>(std::vector<Field>{{"value", types_[i]}}),
                                      [&](uint32_t row, const Error&) { failed[row] = 1; }));
    // Row by row back to where it came from; what failed points anywhere, and is made NULL.
    duckdb::SelectionVector places(rows);
    for (size_t row = 0, next = 0; row < rows; ++row) places.set_index(row, failed[row] ? 0 : next++);
    if (computed.rows() == 0) {
      out.data[i].SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
      duckdb::ConstantVector::SetNull(out.data[i], true);
      continue;
    }
    duckdb::VectorOperations::Copy(computed.chunk.data[0], out.data[i], places, rows, 0, 0);
    for (size_t row = 0; row < rows; ++row)
      if (failed[row]) duckdb::FlatVector::SetNull(out.data[i], row, true);
  }
  out.SetCardinality(rows);
  return {};
}

Result<> RowEvaluator::select(Batch& in, std::vector<uint32_t>& rows, const OnRejected& on_rejected) {
  Result<> done = evaluator_.select(in.chunk, rows);
  if (done) return {};
  if (!is_of_a_row(done.error())) return done;
  const OnRejected report = failing_ == Failing::null ? [](uint32_t, const Error&) {} : on_rejected;
  HEADRACE_ASSIGN(std::vector<uint32_t> healthy, healthy_rows(in, report));
  rows.clear();
  if (healthy.empty()) return {};
  Batch rest = in.slice(healthy);
  std::vector<uint32_t> selected;
  HEADRACE_TRY(evaluator_.select(rest.chunk, selected));
  for (uint32_t row : selected) rows.push_back(healthy[row]);
  return {};
}

}  // namespace headrace
