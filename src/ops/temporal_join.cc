#include "ops/temporal_join.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "ops/failing.h"
#include "ops/keys.h"
#include "ops/side_by_side.h"
#include "ops/times.h"
#include "ops/waiting.h"

namespace headrace {
namespace {

std::vector<LogicalType> types_of(const std::vector<Column>& columns, size_t begin, size_t end) {
  std::vector<LogicalType> out;
  for (size_t i = begin; i < end; ++i) out.push_back(columns[i].type);
  return out;
}

TableSpec waiting_spec(const TemporalJoinNode& node, size_t plain_bytes) {
  TableSpec out;
  out.name = "waiting";
  out.values = types_of(node.output.columns, 0, node.left_width);
  out.plain_bytes = plain_bytes;
  return out;
}

KeyedRows::Spec late_spec(const TemporalJoinNode& node) {
  KeyedRows::Spec out;
  out.name = "late";
  out.columns = types_of(node.output.columns, 0, node.left_width);
  out.key = node.left_keys;
  return out;
}

SchemaRef left_schema(const TemporalJoinNode& node) {
  std::vector<Field> fields;
  for (size_t i = 0; i < node.left_width; ++i)
    fields.push_back({node.output.columns[i].name, node.output.columns[i].type, true});
  return std::make_shared<Schema>(std::move(fields));
}

int64_t stamp_of(const Batch& batch, size_t row) {
  return batch.stamps_ms.empty() ? EventTime::min().ms : batch.stamps_ms[row];
}

}  // namespace

TemporalJoinOperator::TemporalJoinOperator(const TemporalJoinNode& node, const OperatorContext& context)
    : node_(node),
      schema_(node.output.schema()),
      left_schema_(left_schema(node)),
      waiting_(waiting_spec(node, sizeof(Waiting))),
      versions_("versions", types_of(node.output.columns, node.left_width, node.output.columns.size()),
                node.right_keys),
      late_(late_spec(node)) {
  if (!node.residual.empty())
    condition_.emplace(context.evaluation, std::vector<Expr>{node.residual}, failing_of(node));
}

Result<> TemporalJoinOperator::on_batch(uint32_t input, Batch batch, Emitter& out) {
  return input == 0 ? take_left(std::move(batch), out) : take_versions(std::move(batch), out);
}

/// Gives the rows that are to be joined. A late row goes; so does the retraction of one that went.
std::vector<uint32_t> TemporalJoinOperator::drop_late(Batch& batch, Emitter& out) {
  std::vector<int64_t> times;
  read_times(batch, node_.left_time, times);
  std::vector<uint32_t> on_time, late;
  for (uint32_t row = 0; row < times.size(); ++row) {
    if (times[row] > stamp_of(batch, row)) {
      on_time.push_back(row);
    } else if (batch.diff(row) > 0) {
      late.push_back(row);
      if (node_.left_changes) remember_late(batch.slice({row}));
    } else if (forget_late(batch.slice({row}))) {
      ++out.counters.filtered;
    } else {
      on_time.push_back(row);
    }
  }
  if (!late.empty()) out.late(batch, late);
  out.counters.late += static_cast<int64_t>(late.size());
  return on_time;
}

void TemporalJoinOperator::remember_late(Batch row) {
  DataChunk key;
  uint64_t hash[STANDARD_VECTOR_SIZE];
  Slot group, slot;
  take_keys(row, node_.left_keys, key, hash);
  late_.add(row.chunk, key, hash, 1, &group, &slot);
}

/// True when the row that is taken back here was late.
bool TemporalJoinOperator::forget_late(Batch row) {
  DataChunk key;
  uint64_t hash[STANDARD_VECTOR_SIZE];
  Slot group;
  take_keys(row, node_.left_keys, key, hash);
  late_.find(key, hash, 1, &group);
  const Slot went = group == missing_slot ? missing_slot : late_.find_equal(group, ChunkRows(row.chunk, 1), 0);
  if (went == missing_slot) return false;
  late_.erase(went);
  if (late_.rows_in(group) == 0) late_.erase_group(group);
  return true;
}

Result<> TemporalJoinOperator::take_left(Batch batch, Emitter& out) {
  const std::vector<uint32_t> on_time = drop_late(batch, out);
  if (on_time.empty()) return {};
  if (static_cast<int64_t>(on_time.size()) < batch.rows()) batch = batch.slice(on_time);
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  take_keys(batch, node_.left_keys, keys, hashes);
  std::vector<int64_t> times;
  read_times(batch, node_.left_time, times);
  Slot slots[STANDARD_VECTOR_SIZE];
  waiting_.append(batch.chunk, hashes, times.size(), slots);
  for (size_t row = 0; row < times.size(); ++row) {
    *reinterpret_cast<Waiting*>(waiting_.plain(slots[row])) = {times[row], stamp_of(batch, row), arrivals_++,
                                                               batch.diff(static_cast<int64_t>(row)), 0};
    due_.push_back({times[row], slots[row]});
    std::push_heap(due_.begin(), due_.end(), std::greater<>());
  }
  out.counters.held += static_cast<int64_t>(times.size());
  return {};
}

/// Adds versions. One that came behind its watermark is late: rows of its time may have been joined without it.
Result<> TemporalJoinOperator::take_versions(Batch batch, Emitter& out) {
  std::vector<int64_t> times;
  read_times(batch, node_.right_time, times);
  std::vector<uint32_t> late;
  for (uint32_t row = 0; row < times.size(); ++row) {
    // A removal without a time is one from now on.
    if (times[row] == no_time) times[row] = stamp_of(batch, row) + 1;
    if (times[row] <= stamp_of(batch, row)) late.push_back(row);
  }
  if (!late.empty()) {
    out.late(batch, late);
    out.counters.late += static_cast<int64_t>(late.size());
    const std::vector<uint32_t> kept = all_but(times.size(), late);
    if (kept.empty()) return {};
    batch = batch.slice(kept);
    for (size_t i = 0; i < kept.size(); ++i) times[i] = times[kept[i]];
    times.resize(kept.size());
  }
  out.counters.passed += batch.rows();
  if (node_.removals_end_versions || batch.inserts_only()) {
    add_versions(batch, times.data());
    return {};
  }
  for (uint32_t row = 0; row < times.size(); ++row) {
    Batch one = batch.slice({row});
    if (batch.diff(row) > 0)
      add_versions(one, &times[row]);
    else
      take_back_version(one);
  }
  return {};
}

void TemporalJoinOperator::add_versions(Batch& batch, const int64_t* times_ms) {
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  uint8_t ends[STANDARD_VECTOR_SIZE];
  take_keys(batch, node_.right_keys, keys, hashes);
  for (int64_t row = 0; row < batch.rows(); ++row) ends[row] = batch.diff(row) < 0;
  versions_.add(batch.chunk, keys, hashes, static_cast<size_t>(batch.rows()), times_ms, ends);
}

void TemporalJoinOperator::take_back_version(Batch& row) {
  DataChunk key;
  uint64_t hash[STANDARD_VECTOR_SIZE];
  take_keys(row, node_.right_keys, key, hash);
  versions_.take_back(row.chunk, key, hash);
}

EventTime TemporalJoinOperator::last_due() const {
  int64_t out = EventTime::min().ms;
  for (const Due& row : due_) out = std::max(out, row.time_ms);
  return EventTime{out};
}

Result<> TemporalJoinOperator::on_watermark(EventTime time, Emitter& out) {
  std::vector<Slot> rows;
  while (!due_.empty() && due_.front().time_ms <= time.ms) {
    rows.push_back(due_.front().slot);
    std::pop_heap(due_.begin(), due_.end(), std::greater<>());
    due_.pop_back();
  }
  // In an order that depends neither on how ticks were cut nor, for one key, on anything but time and arrival.
  std::sort(rows.begin(), rows.end(), [&](Slot a, Slot b) {
    const Waiting &x = waiting(a), &y = waiting(b);
    if (waiting_.hash(a) != waiting_.hash(b)) return waiting_.hash(a) < waiting_.hash(b);
    return x.time_ms != y.time_ms ? x.time_ms < y.time_ms : x.arrival < y.arrival;
  });
  for (size_t at = 0; at < rows.size(); at += rows_per_batch)
    HEADRACE_TRY(give_out(&rows[at], std::min<size_t>(rows_per_batch, rows.size() - at), out));
  for (Slot row : rows) waiting_.erase(row);
  if (!node_.left_changes) versions_.forget_before(time.ms);
  return {};
}

/// Joins rows that waited, in their order.
Result<> TemporalJoinOperator::give_out(const Slot* rows, size_t count, Emitter& out) {
  Batch left = left_rows(rows, count);
  std::vector<Slot> versions = versions_of(left);
  std::vector<uint8_t> failed(count);
  if (condition_) HEADRACE_TRY(check_condition(left, versions, failed, out));
  std::vector<uint32_t> kept;
  for (uint32_t row = 0; row < count; ++row)
    if (!failed[row] && (node_.join == JoinKind::left || versions[row] != missing_slot)) kept.push_back(row);
  const int64_t quarantined = std::count(failed.begin(), failed.end(), 1);
  out.counters.held -= static_cast<int64_t>(count);
  out.counters.quarantined += quarantined;
  out.counters.passed += static_cast<int64_t>(kept.size());
  out.counters.filtered += static_cast<int64_t>(count - kept.size()) - quarantined;
  if (kept.empty()) return {};
  Batch joined = beside_versions(left, versions);
  return out.emit(kept.size() == count ? std::move(joined) : joined.slice(kept), 0);
}

Batch TemporalJoinOperator::left_rows(const Slot* rows, size_t count) const {
  Batch out = Batch::make(left_schema_, count);
  for (size_t column = 0; column < left_schema_->size(); ++column)
    waiting_.gather(column, rows, count, out.chunk.data[column]);
  out.chunk.SetCardinality(count);
  bool changes = false;
  for (size_t i = 0; i < count; ++i) {
    const Waiting& row = waiting(rows[i]);
    out.stamps_ms.push_back(row.stamp_ms);
    out.diffs.push_back(row.diff);
    changes = changes || row.diff != 1;
  }
  if (!changes) out.diffs.clear();
  return out;
}

std::vector<Slot> TemporalJoinOperator::versions_of(Batch& left) const {
  const size_t count = static_cast<size_t>(left.rows());
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  take_keys(left, node_.left_keys, keys, hashes);
  std::vector<int64_t> times;
  read_times(left, node_.left_time, times);
  std::vector<Slot> out(count);
  versions_.find(keys, hashes, count, times.data(), out.data());
  forget_null_keys(keys, count, node_.null_safe, out.data());
  return out;
}

Batch TemporalJoinOperator::beside_versions(const Batch& left, const std::vector<Slot>& versions) const {
  return side_by_side(left, versions, schema_, [&](size_t column, const Slot* rows, size_t count, Vector& out) {
    versions_.gather(column, rows, count, out);
  });
}

/// Takes away the versions that do not meet the further condition; notes the rows on which it fails.
Result<> TemporalJoinOperator::check_condition(Batch& left, std::vector<Slot>& versions, std::vector<uint8_t>& failed,
                                               Emitter& out) {
  std::vector<uint32_t> asked;
  std::vector<Slot> found;
  for (uint32_t row = 0; row < versions.size(); ++row) {
    if (versions[row] == missing_slot) continue;
    asked.push_back(row);
    found.push_back(std::exchange(versions[row], missing_slot));
  }
  if (asked.empty()) return {};
  Batch pairs = beside_versions(left.slice(asked), found);
  std::vector<uint32_t> met;
  HEADRACE_TRY(condition_->select(pairs, met, [&](uint32_t pair, const Error& reason) {
    // What goes meets the verdict of its coming, which was told then.
    if (pairs.diff(pair) > 0) out.reject(pairs, pair, reason);
    failed[asked[pair]] = 1;
  }));
  for (uint32_t pair : met) versions[asked[pair]] = found[pair];
  return {};
}

Result<> TemporalJoinOperator::tell_waiting(WaitingReport& report) {
  tell_rows(report, static_cast<int64_t>(due_.size()), due_.empty() ? 0 : due_.front().time_ms);
  return {};
}

std::vector<Table*> TemporalJoinOperator::tables() {
  std::vector<Table*> out{&waiting_};
  for (Table* table : versions_.tables()) out.push_back(table);
  for (Table* table : late_.tables()) out.push_back(table);
  return out;
}

Result<> TemporalJoinOperator::restored(EventTime) {
  versions_.restored();
  late_.restored();
  due_.clear();
  arrivals_ = 0;
  for (Slot slot : waiting_.slots()) {
    due_.push_back({waiting(slot).time_ms, slot});
    arrivals_ = std::max(arrivals_, waiting(slot).arrival + 1);
  }
  std::make_heap(due_.begin(), due_.end(), std::greater<>());
  return {};
}

}  // namespace headrace
