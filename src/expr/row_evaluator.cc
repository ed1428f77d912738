#include "expr/row_evaluator.h"

#include <numeric>

namespace headrace {
namespace {

std::vector<LogicalType> types_of(const std::vector<Expr>& expressions) {
  std::vector<LogicalType> out;
  for (const Expr& expression : expressions) out.push_back(expression.type());
  return out;
}

std::vector<uint32_t> all_rows(const Batch& batch) {
  std::vector<uint32_t> rows(static_cast<size_t>(batch.rows()));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

/// A failure that other rows of the batch do not share.
bool is_of_a_row(const Error& error) {
  if (error.blame != Blame::user) return false;  // No process could be started: no row is at fault.
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

Result<> RowEvaluator::split(Batch& in, const std::vector<uint32_t>& rows, const Error& failure, const OnPart& evaluate,
                             const OnRejected& on_rejected) {
  if (!is_of_a_row(failure)) return failure;
  if (rows.size() == 1) {
    on_rejected(rows[0], failure);
    return {};
  }
  const auto middle = rows.begin() + static_cast<long>(rows.size() / 2);
  for (const std::vector<uint32_t>& half : {std::vector(rows.begin(), middle), std::vector(middle, rows.end())}) {
    Batch part = in.slice(half);
    Result<> done = evaluate(part, half);
    if (!done) HEADRACE_TRY(split(in, half, done.error(), evaluate, on_rejected));
  }
  return {};
}

Result<Batch> RowEvaluator::project(Batch& in, const SchemaRef& schema, const OnRejected& on_rejected) {
  Batch out = Batch::make(schema, in.chunk.size());
  out.ordinal = in.ordinal;
  Result<> done = evaluator_.evaluate(in.chunk, out.chunk);
  if (done) {
    out.diffs = std::move(in.diffs);
    out.stamps_ms = std::move(in.stamps_ms);
    return out;
  }
  if (failing_ == Failing::null) {
    if (!is_of_a_row(done.error())) return std::move(done).error();
    HEADRACE_TRY(evaluate_each(in, out.chunk));
    out.diffs = std::move(in.diffs);
    out.stamps_ms = std::move(in.stamps_ms);
    return out;
  }
  out = Batch::make(schema, in.chunk.size());
  out.ordinal = in.ordinal;
  std::vector<uint32_t> healthy;
  DataChunk scratch;
  scratch.Initialize(duckdb::Allocator::DefaultAllocator(), {types_.begin(), types_.end()});
  auto evaluate = [&](Batch& part, const std::vector<uint32_t>& rows) -> Result<> {
    HEADRACE_TRY(evaluator_.evaluate(part.chunk, scratch));
    out.chunk.Append(scratch);
    healthy.insert(healthy.end(), rows.begin(), rows.end());
    return {};
  };
  HEADRACE_TRY(split(in, all_rows(in), done.error(), evaluate, on_rejected));
  Batch rest = in.slice(healthy);
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
  if (done) return done;
  const OnRejected report = failing_ == Failing::null ? [](uint32_t, const Error&) {} : on_rejected;
  rows.clear();
  std::vector<uint32_t> selected;
  auto evaluate = [&](Batch& part, const std::vector<uint32_t>& part_rows) -> Result<> {
    HEADRACE_TRY(evaluator_.select(part.chunk, selected));
    for (uint32_t row : selected) rows.push_back(part_rows[row]);
    return {};
  };
  return split(in, all_rows(in), done.error(), evaluate, report);
}

}  // namespace headrace
