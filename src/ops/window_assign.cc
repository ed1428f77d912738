#include "ops/window_assign.h"

#include "ops/late_rows.h"
#include "ops/times.h"

namespace headrace {

Result<> WindowAssignOperator::flush(Batch& batch, Emitter& out) {
  if (rows_.empty()) return {};
  Batch rows = batch.slice(rows_);
  Batch assigned = Batch::make(schema_, rows_.size());
  assigned.diffs = std::move(rows.diffs);
  assigned.stamps_ms = std::move(rows.stamps_ms);
  assigned.ordinal = rows.ordinal;
  const size_t width = rows.chunk.ColumnCount();
  for (size_t i = 0; i < width; ++i) assigned.chunk.data[i].Reference(rows.chunk.data[i]);
  int64_t* start = duckdb::FlatVector::GetData<int64_t>(assigned.chunk.data[width]);
  int64_t* end = duckdb::FlatVector::GetData<int64_t>(assigned.chunk.data[width + 1]);
  int64_t* time = duckdb::FlatVector::GetData<int64_t>(assigned.chunk.data[width + 2]);
  for (size_t i = 0; i < ends_.size(); ++i) {
    start[i] = math_.start_of(ends_[i]) * 1000;
    end[i] = ends_[i] * 1000;
    time[i] = end[i] - 1000;
  }
  assigned.chunk.SetCardinality(rows_.size());
  rows_.clear();
  ends_.clear();
  return out.emit(std::move(assigned), 0);
}

Result<> WindowAssignOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  std::vector<int64_t> times;
  read_times(batch, time_column_, times);
  std::vector<uint32_t> late;
  for (uint32_t row = 0; row < times.size(); ++row) {
    const int64_t time = times[row];
    if (time == no_time || !math_.covered(time)) {
      ++out.counters.filtered;
      continue;
    }
    const int64_t watermark = batch.stamps_ms.empty() ? INT64_MIN : batch.stamps_ms[row];
    if (math_.late(time, watermark)) {
      late.push_back(row);
      continue;
    }
    ++out.counters.passed;
    for (int64_t end = math_.first_end(time), last = math_.last_end(time); end <= last; end += math_.step_ms) {
      if (end - 1 <= watermark) continue;
      rows_.push_back(row);
      ends_.push_back(end);
      if (static_cast<int64_t>(rows_.size()) == rows_per_batch) HEADRACE_TRY(flush(batch, out));
    }
  }
  HEADRACE_TRY(flush(batch, out));
  if (late.empty()) return {};
  out.counters.late += static_cast<int64_t>(late.size());
  out.late(batch, late);
  return {};
}

Result<> LateFilterOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  std::vector<int64_t> times;
  read_times(batch, time_column_, times);
  std::vector<uint32_t> kept, refused;
  for (uint32_t row = 0; row < times.size(); ++row) {
    bool late = !batch.stamps_ms.empty() && times[row] != no_time && math_.covered(times[row]) &&
                math_.late(times[row], batch.stamps_ms[row]);
    (late ? refused : kept).push_back(row);
  }
  out.counters.passed += static_cast<int64_t>(kept.size());
  out.counters.late += static_cast<int64_t>(refused.size());
  if (refused.empty()) return out.emit(std::move(batch), 0);
  HEADRACE_TRY(out.emit(late_rows(batch, refused, window_name_), 1));
  if (kept.empty()) return {};
  return out.emit(batch.slice(kept), 0);
}

}  // namespace headrace
