#include "ops/temporal_filter.h"

#include <algorithm>
#include <cstdlib>
#include <functional>

#include "ops/failing.h"
#include "ops/keys.h"
#include "ops/row_table.h"

namespace headrace {
namespace {

constexpr size_t stale_min = 1024;  ///< Fewer are not worth a walk over the schedule.

std::vector<Expr> times_of(const TemporalFilterNode& node) {
  std::vector<Expr> out;
  for (const ClockBound& bound : node.bounds) out.push_back(bound.time);
  return out;
}

SchemaRef schema_of(const std::vector<ClockBound>& bounds) {
  std::vector<Field> fields;
  for (const ClockBound& bound : bounds) fields.push_back({"time", bound.time.type(), true});
  return std::make_shared<Schema>(std::move(fields));
}

}  // namespace

TemporalFilterOperator::TemporalFilterOperator(const TemporalFilterNode& node, const OperatorContext& context)
    : bounds_(node.bounds),
      schema_(node.output.schema()),
      times_schema_(schema_of(node.bounds)),
      times_(context.evaluation, times_of(node), failing_of(node)),
      hashed_(node.output.naming_columns()),
      table_(row_table("rows", node.output, sizeof(Kept))) {}

/// Computes when each row is there, and leaves out of the batch those on which that fails.
Result<> TemporalFilterOperator::find_stays(Batch& batch, Emitter& out) {
  std::vector<uint32_t> failed;
  Batch rows = batch.share();
  HEADRACE_ASSIGN(Batch times, times_.project(rows, times_schema_, [&](uint32_t row, const Error& reason) {
    out.reject(batch, row, reason);
    failed.push_back(row);
  }));
  out.counters.quarantined += static_cast<int64_t>(failed.size());
  if (!failed.empty()) batch = batch.slice(all_but(static_cast<size_t>(batch.rows()), failed));
  const size_t count = static_cast<size_t>(batch.rows());
  stays_.assign(count, {INT64_MIN, INT64_MAX});
  for (size_t i = 0; i < bounds_.size(); ++i) {
    duckdb::UnifiedVectorFormat format;
    times.chunk.data[i].ToUnifiedFormat(count, format);
    const auto* values = reinterpret_cast<const int64_t*>(format.data);
    for (size_t row = 0; row < count; ++row) {
      const duckdb::idx_t at = format.sel->get_index(row);
      if (!format.validity.RowIsValid(at)) {
        stays_[row] = {INT64_MAX, INT64_MIN};
        continue;
      }
      const int64_t moment = bounds_[i].moment_us(values[at]);
      Stay& stay = stays_[row];
      bounds_[i].until ? stay.until_us = std::min(stay.until_us, moment)
                       : stay.from_us = std::max(stay.from_us, moment);
    }
  }
  return {};
}

Result<> TemporalFilterOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  const int64_t now_us = EvaluationContext::now_us();
  HEADRACE_TRY(advance(now_us, out));
  HEADRACE_TRY(find_stays(batch, out));
  batch.schema = schema_;
  batch.stamps_ms.clear();
  std::vector<uint32_t> here, to_keep;
  std::vector<Stay> stays_to_keep;
  for (uint32_t row = 0; row < stays_.size(); ++row) {
    const Stay& stay = stays_[row];
    if (stay.until_us <= now_us || stay.from_us >= stay.until_us) {
      ++out.counters.filtered;
      continue;
    }
    const bool is_here = stay.from_us <= now_us;
    if (is_here) {
      here.push_back(row);
      ++out.counters.passed;
    } else if (batch.diff(row) > 0) {
      ++out.counters.held;
    } else {  // Neither the row nor its retraction comes out.
      --out.counters.held;
      out.counters.filtered += 2;
    }
    if (is_here && stay.until_us == INT64_MAX) continue;
    to_keep.push_back(row);
    stays_to_keep.push_back(stay);
  }
  stays_ = std::move(stays_to_keep);
  const size_t count = static_cast<size_t>(batch.rows());
  if (!to_keep.empty()) keep(to_keep.size() == count ? batch.share() : batch.slice(to_keep), now_us);
  if (here.empty()) return {};
  return out.emit(here.size() == count ? std::move(batch) : batch.slice(here), 0);
}

/// Counts rows in the table; `stays_` are theirs.
void TemporalFilterOperator::keep(Batch batch, int64_t now_us) {
  const size_t count = static_cast<size_t>(batch.rows());
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  Slot slots[STANDARD_VECTOR_SIZE];
  uint8_t created[STANDARD_VECTOR_SIZE];
  DataChunk keys;
  take_keys(batch, hashed_, keys, hashes);
  table_.find_or_create(batch.chunk, hashes, count, slots, created);
  for (size_t row = 0; row < count; ++row) {
    Kept& own = kept(slots[row]);
    own.copies += batch.diff(static_cast<int64_t>(row));
    if (!created[row]) continue;
    own.stay = stays_[row];
    own.told = own.stay.from_us <= now_us;
    schedule(slots[row]);
  }
  for (size_t row = 0; row < count; ++row)
    if (table_.is_used(slots[row]) && std::as_const(*this).kept(slots[row]).copies == 0) forget(slots[row]);
}

void TemporalFilterOperator::schedule(Slot slot) {
  schedule_.push_back({std::as_const(*this).kept(slot).due_us(), slot});
  std::push_heap(schedule_.begin(), schedule_.end(), std::greater<>());
}

bool TemporalFilterOperator::is_current(const Due& due) const {
  return table_.is_used(due.slot) && kept(due.slot).due_us() == due.us;
}

/// A row was taken back before it was due.
void TemporalFilterOperator::forget(Slot slot) {
  table_.erase(slot);
  if (++stale_ < stale_min || 2 * stale_ < schedule_.size()) return;
  std::erase_if(schedule_, [&](const Due& due) { return !is_current(due); });
  std::make_heap(schedule_.begin(), schedule_.end(), std::greater<>());
  stale_ = 0;
}

/// Tells which rows have come and gone up to now.
Result<> TemporalFilterOperator::advance(int64_t now_us, Emitter& out) {
  if (due_us() > now_us) return {};
  std::vector<Slot> coming, going, done;
  while (due_us() <= now_us) {
    std::pop_heap(schedule_.begin(), schedule_.end(), std::greater<>());
    const Due due = schedule_.back();
    schedule_.pop_back();
    if (!is_current(due)) {
      stale_ -= stale_ > 0;
      continue;
    }
    Kept& own = kept(due.slot);
    if (own.told || own.stay.until_us <= now_us) {
      (own.told ? going : done).push_back(due.slot);
      if (!own.told) {
        out.counters.held -= own.copies;
        out.counters.filtered += own.copies;
      }
      own.stay.until_us = never_due;  // Not due any more, should it stand in the schedule twice.
      own.told = 1;
      continue;
    }
    out.counters.held -= own.copies;
    out.counters.passed += own.copies;
    own.told = 1;
    coming.push_back(due.slot);
    if (own.stay.until_us == INT64_MAX)
      done.push_back(due.slot);
    else
      schedule(due.slot);
  }
  HEADRACE_TRY(tell(going, -1, out));
  HEADRACE_TRY(tell(coming, +1, out));
  for (Slot slot : going) table_.erase(slot);
  for (Slot slot : done) table_.erase(slot);
  return {};
}

Result<> TemporalFilterOperator::tell(const std::vector<Slot>& slots, int32_t sign, Emitter& out) {
  std::vector<Slot> order = slots, rows;
  std::vector<int32_t> diffs;
  std::sort(order.begin(), order.end(),
            [&](Slot a, Slot b) { return table_.hash(a) != table_.hash(b) ? table_.hash(a) < table_.hash(b) : a < b; });
  for (Slot slot : order) {
    const int64_t copies = std::as_const(*this).kept(slot).copies;  // Negative: taken back, and never there.
    rows.insert(rows.end(), static_cast<size_t>(std::abs(copies)), slot);
    diffs.insert(diffs.end(), static_cast<size_t>(std::abs(copies)), copies < 0 ? -sign : sign);
  }
  for (size_t begin = 0; begin < rows.size(); begin += rows_per_batch) {
    const size_t count = std::min(rows.size() - begin, static_cast<size_t>(rows_per_batch));
    Batch batch = Batch::make(schema_, count);
    for (size_t column = 0; column < schema_->size(); ++column)
      table_.gather(column, rows.data() + begin, count, batch.chunk.data[column]);
    batch.chunk.SetCardinality(count);
    const auto first = diffs.begin() + static_cast<long>(begin), last = first + static_cast<long>(count);
    if (std::any_of(first, last, [](int32_t diff) { return diff < 0; })) batch.diffs.assign(first, last);
    HEADRACE_TRY(out.emit(std::move(batch), 0));
  }
  return {};
}

Result<> TemporalFilterOperator::restored(EventTime) {
  schedule_.clear();
  stale_ = 0;
  for (Slot slot : table_.slots()) schedule_.push_back({std::as_const(*this).kept(slot).due_us(), slot});
  std::make_heap(schedule_.begin(), schedule_.end(), std::greater<>());
  return {};
}

}  // namespace headrace
