#include "ops/filter.h"

#include <utility>

namespace headrace {
namespace {

constexpr size_t few_max = 256, few_room = 1024;

bool fits(const Batch& few, const Batch& batch, size_t rows) {
  return few.ordinal == batch.ordinal && few.stamps_ms.empty() == batch.stamps_ms.empty() &&
         static_cast<size_t>(few.rows()) + rows <= few_room;
}

}  // namespace

FilterOperator::FilterOperator(const FilterNode& node, const OperatorContext& context)
    : predicate_(context.evaluation, {node.predicate}, failing_of(node)),
      gathers_(!meets_others(context.plan, node.id)) {}

Result<> FilterOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  HEADRACE_ASSIGN(const bool whole, passes_whole(batch, out));
  return whole ? out.emit(std::move(batch), 0) : Result<>{};  // Common case: copy nothing.
}

Result<> FilterOperator::on_shared(uint32_t, Batch& batch, Emitter& out) {
  HEADRACE_ASSIGN(const bool whole, passes_whole(batch, out));
  return whole ? out.emit(batch.share(), 0) : Result<>{};
}

/// Hands on what passes, unless it is the whole batch.
Result<bool> FilterOperator::passes_whole(Batch& batch, Emitter& out) {
  int64_t rejected = 0;
  HEADRACE_TRY(predicate_.select(batch, rows_, [&](uint32_t row, const Error& reason) {
    out.reject(batch, row, reason);
    ++rejected;
  }));
  const int64_t kept = static_cast<int64_t>(rows_.size());
  out.counters.passed += kept;
  out.counters.quarantined += rejected;
  out.counters.filtered += batch.rows() - kept - rejected;
  if (kept == 0) return false;
  if (gathers_ && rows_.size() <= few_max && kept < batch.rows()) {
    HEADRACE_TRY(gather(batch, out));
    return false;
  }
  HEADRACE_TRY(give(out));
  if (kept == batch.rows()) return true;
  HEADRACE_TRY(out.emit(batch.slice(rows_), 0));
  return false;
}

/// Puts the rows that pass behind those that wait.
Result<> FilterOperator::gather(const Batch& batch, Emitter& out) {
  if (few_ && !fits(*few_, batch, rows_.size())) HEADRACE_TRY(give(out));
  if (!few_) {
    few_ = Batch::make(batch.schema, few_room);
    few_->ordinal = batch.ordinal;
  }
  few_->append(batch, rows_);
  return {};
}

Result<> FilterOperator::give(Emitter& out) {
  if (!few_) return {};
  return out.emit(*std::exchange(few_, std::nullopt), 0);
}

}  // namespace headrace
