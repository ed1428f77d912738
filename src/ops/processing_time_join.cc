#include "ops/processing_time_join.h"

#include "ops/failing.h"
#include "ops/keys.h"
#include "ops/side_by_side.h"

namespace headrace {
namespace {

KeyedRows::Spec rows_spec(const ProcessingTimeJoinNode& node) {
  KeyedRows::Spec out;
  out.name = "rows";
  for (size_t i = node.left_width; i < node.output.columns.size(); ++i)
    out.columns.push_back(node.output.columns[i].type);
  out.key = node.right_keys;
  return out;
}

}  // namespace

ProcessingTimeJoinOperator::ProcessingTimeJoinOperator(const ProcessingTimeJoinNode& node,
                                                       const OperatorContext& context)
    : node_(node), schema_(node.output.schema()), rows_(rows_spec(node)) {
  if (!node.residual.empty())
    condition_.emplace(context.evaluation, std::vector<Expr>{node.residual}, failing_of(node));
}

Result<> ProcessingTimeJoinOperator::on_batch(uint32_t input, Batch batch, Emitter& out) {
  if (input == 1) {
    out.counters.passed += batch.rows();
    change_table(std::move(batch));
    return {};
  }
  came_.push_back(batch.copy());
  return {};
}

void ProcessingTimeJoinOperator::change_table(Batch batch) {
  const size_t count = static_cast<size_t>(batch.rows());
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  Slot groups[STANDARD_VECTOR_SIZE], slots[STANDARD_VECTOR_SIZE];
  take_keys(batch, node_.right_keys, keys, hashes);
  if (batch.inserts_only()) return rows_.add(batch.chunk, keys, hashes, count, groups, slots);
  for (uint32_t row = 0; row < count; ++row) {
    Batch one = batch.slice({row});
    DataChunk key;
    uint64_t hash[STANDARD_VECTOR_SIZE];
    take_keys(one, node_.right_keys, key, hash);
    if (batch.diff(row) > 0) {
      rows_.add(one.chunk, key, hash, 1, groups, slots);
      continue;
    }
    rows_.find(key, hash, 1, groups);
    const Slot found =
        groups[0] == missing_slot ? missing_slot : rows_.find_equal(groups[0], ChunkRows(one.chunk, 1), 0);
    if (found == missing_slot) continue;
    rows_.erase(found);
    if (rows_.rows_in(groups[0]) == 0) rows_.erase_group(groups[0]);
  }
}

Result<> ProcessingTimeJoinOperator::on_tick_end(const TickInfo&, Emitter& out) {
  for (Batch& left : std::exchange(came_, {})) HEADRACE_TRY(join(left, out));
  return {};
}

Batch ProcessingTimeJoinOperator::beside(const Batch& left, const std::vector<Slot>& right) const {
  return side_by_side(left, right, schema_, [&](size_t column, const Slot* rows, size_t count, Vector& out) {
    rows_.gather(column, rows, count, out);
  });
}

Result<> ProcessingTimeJoinOperator::join(Batch& left, Emitter& out) {
  const size_t count = static_cast<size_t>(left.rows());
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  Slot groups[STANDARD_VECTOR_SIZE];
  take_keys(left, node_.left_keys, keys, hashes);
  rows_.find(keys, hashes, count, groups);
  forget_null_keys(keys, count, node_.null_safe, groups);
  Pairs pairs;
  std::vector<uint8_t> matched(count);
  for (uint32_t row = 0; row < count; ++row) {
    if (groups[row] == missing_slot) continue;
    for (Slot at = rows_.first(groups[row]); at != missing_slot; at = rows_.next(at)) {
      pairs.left.push_back(row);
      pairs.right.push_back(at);
      if (static_cast<int64_t>(pairs.left.size()) == rows_per_batch) HEADRACE_TRY(give_out(left, pairs, matched, out));
    }
  }
  HEADRACE_TRY(give_out(left, pairs, matched, out));
  std::vector<uint32_t> alone;
  for (uint32_t row = 0; row < count; ++row)
    if (!matched[row]) alone.push_back(row);
  const bool outer = node_.join == JoinKind::left;
  out.counters.filtered += outer ? 0 : static_cast<int64_t>(alone.size());
  out.counters.passed += static_cast<int64_t>(outer ? count : count - alone.size());
  if (!outer || alone.empty()) return {};
  return out.emit(beside(left.slice(alone), std::vector<Slot>(alone.size(), missing_slot)), 0);
}

/// Emits the pairs that meet the further condition; notes which left rows found a partner.
Result<> ProcessingTimeJoinOperator::give_out(const Batch& left, Pairs& pairs, std::vector<uint8_t>& matched,
                                              Emitter& out) {
  if (pairs.left.empty()) return {};
  Batch batch = beside(left.slice(pairs.left), pairs.right);
  std::vector<uint32_t> met;
  if (condition_) {
    HEADRACE_TRY(condition_->select(batch, met, [&](uint32_t row, const Error& reason) {
      out.reject(batch, row, reason);
      ++out.counters.quarantined;
    }));
    if (static_cast<int64_t>(met.size()) < batch.rows()) batch = batch.slice(met);
    for (uint32_t row : met) matched[pairs.left[row]] = 1;
  } else {
    for (uint32_t row : pairs.left) matched[row] = 1;
  }
  pairs = {};
  return batch.rows() > 0 ? out.emit(std::move(batch), 0) : Result<>();
}

Result<> ProcessingTimeJoinOperator::restored(EventTime) {
  rows_.restored();
  return {};
}

}  // namespace headrace
