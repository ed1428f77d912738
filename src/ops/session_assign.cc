#include "ops/session_assign.h"

#include <algorithm>
#include <cstring>

#include "ops/keys.h"
#include "ops/late_rows.h"
#include "ops/times.h"
#include "ops/waiting.h"

namespace headrace {
namespace {

/// The columns of a row without those of its window.
std::vector<LogicalType> row_types(const WindowAssignNode& node) {
  std::vector<LogicalType> out;
  for (size_t i = 0; i + 3 < node.output.columns.size(); ++i) out.push_back(node.output.columns[i].type);
  return out;
}

std::vector<LogicalType> types_of_keys(const WindowAssignNode& node) {
  std::vector<LogicalType> out;
  for (size_t column : node.window.keys) out.push_back(node.output.columns[column].type);
  return key_types(out);
}

}  // namespace

/// A batch on its way into the state: rows from `first` on are placed in sessions, but not yet among the held rows.
struct SessionAssignOperator::Arrived {
  Batch batch;
  std::vector<int64_t> times;
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  Slot heads[STANDARD_VECTOR_SIZE];
  std::vector<uint32_t> placed;
  std::vector<uint32_t> taken;  ///< Rows that take back one that was told, and in which sessions those were.
  std::vector<Told> taken_from;
};

SessionAssignOperator::SessionAssignOperator(const WindowAssignNode& node)
    : node_(node),
      schema_(node.output.schema()),
      tells_(node.output.changelog != Changelog::append),
      sessions_(types_of_keys(node), {}, node.window.size_ms, 0),
      rows_({"held", row_types(node), node.window.keys, 0, sizeof(int64_t) + (tells_ ? sizeof(Told) : 0)}) {}

Result<> SessionAssignOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  Arrived rows;
  rows.batch = std::move(batch);
  read_times(rows.batch, node_.window.time_column, rows.times);
  take_keys(rows.batch, node_.window.keys, rows.keys, rows.hashes);
  sessions_.find_heads(rows.keys, rows.hashes, rows.times.size(), rows.heads);
  std::vector<uint32_t> late;
  for (uint32_t row = 0; row < rows.times.size(); ++row) {
    if (rows.times[row] == no_time)
      ++out.counters.filtered;
    else if (rows.batch.diff(row) > 0 ? !add(rows, row) : !take_back(rows, row))
      late.push_back(row);
    else
      ++out.counters.passed;
  }
  keep_added(rows);
  if (tells_) touched_.insert(touched_.end(), rows.heads, rows.heads + rows.times.size());
  for (size_t row = 0; row < rows.times.size(); ++row) sessions_.forget_unused(rows.heads[row]);
  HEADRACE_TRY(tell_taken(rows, out));
  return late.empty() ? Result<>() : refuse(rows.batch, late, out);
}

/// False when the row is late.
bool SessionAssignOperator::add(Arrived& rows, uint32_t row) {
  const int64_t stamp = rows.batch.stamps_ms.empty() ? closed_.ms : std::max(rows.batch.stamps_ms[row], closed_.ms);
  const SessionTable::Place place = sessions_.place(rows.heads[row], rows.times[row], stamp);
  if (place.session == missing_slot) return false;
  if (place.absorbed != missing_slot) sessions_.drop(place.absorbed);
  for (int32_t copy = 0; copy < rows.batch.diff(row); ++copy) rows.placed.push_back(row);
  return true;
}

/// False when the row's session has closed, or the row was refused itself.
bool SessionAssignOperator::take_back(Arrived& rows, uint32_t row) {
  keep_added(rows);
  const int64_t stamp = rows.batch.stamps_ms.empty() ? closed_.ms : std::max(rows.batch.stamps_ms[row], closed_.ms);
  const int64_t time = rows.times[row];
  const Slot session = sessions_.find_open(rows.heads[row], time, stamp);
  if (session == missing_slot) return false;
  DataChunk key;
  key.InitializeEmpty(rows.keys.GetTypes());
  const duckdb::sel_t selected = row;
  key.Slice(rows.keys, duckdb::SelectionVector(const_cast<duckdb::sel_t*>(&selected)), 1);
  Slot group;
  rows_.find(key, &rows.hashes[row], 1, &group);
  if (group == missing_slot) return false;
  const ChunkRows columns(rows.batch.chunk, rows.times.size());
  for (int32_t copy = rows.batch.diff(row); copy < 0; ++copy) {
    const Slot held = rows_.find_equal(group, columns, row);
    if (held == missing_slot) return false;
    if (tells_ && told(held).is_set()) {
      rows.taken.push_back(row);
      rows.taken_from.push_back(told(held));
    }
    rows_.erase(held);
  }
  std::vector<int64_t> times;
  for (Slot held = rows_.first(group); held != missing_slot; held = rows_.next(held))
    if (time_of(held) >= sessions_.at(session).start && time_of(held) <= sessions_.last_time(session))
      times.push_back(time_of(held));
  std::sort(times.begin(), times.end());
  sessions_.refit(session, times);
  overdue_ = true;
  if (rows_.rows_in(group) == 0) rows_.erase_group(group);
  return true;
}

/// Puts the rows that were placed among those that are held.
void SessionAssignOperator::keep_added(Arrived& rows) {
  for (size_t at = 0; at < rows.placed.size(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, rows.placed.size() - at);
    duckdb::SelectionVector selection(&rows.placed[at]);
    DataChunk added, keys;
    added.InitializeEmpty(rows.batch.chunk.GetTypes());
    added.Slice(rows.batch.chunk, selection, count);
    keys.InitializeEmpty(rows.keys.GetTypes());
    keys.Slice(rows.keys, selection, count);
    uint64_t hashes[STANDARD_VECTOR_SIZE];
    for (size_t i = 0; i < count; ++i) hashes[i] = rows.hashes[rows.placed[at + i]];
    Slot groups[STANDARD_VECTOR_SIZE], slots[STANDARD_VECTOR_SIZE];
    rows_.add(added, keys, hashes, count, groups, slots);
    for (size_t i = 0; i < count; ++i)
      *reinterpret_cast<int64_t*>(rows_.row_plain(slots[i])) = rows.times[rows.placed[at + i]];
  }
  rows.placed.clear();
}

Result<> SessionAssignOperator::refuse(const Batch& batch, const std::vector<uint32_t>& rows, Emitter& out) {
  out.counters.late += static_cast<int64_t>(rows.size());
  if (!node_.late_name.empty()) return out.emit(late_rows(batch, rows, node_.late_name), 1);
  out.late(batch, rows);
  return {};
}

/// Fills the columns of the window, which are the last ones, and makes the rows never late for what comes next: the
/// watermark before them had not passed their own time.
void SessionAssignOperator::put_windows(const std::vector<Told>& windows, Batch& batch) const {
  int64_t* bounds[3];
  for (size_t i = 0; i < 3; ++i)
    bounds[i] = duckdb::FlatVector::GetData<int64_t>(batch.chunk.data[schema_->size() - 3 + i]);
  for (size_t i = 0; i < windows.size(); ++i) {
    bounds[0][i] = windows[i].start * 1000;
    bounds[1][i] = windows[i].end * 1000;
    bounds[2][i] = (windows[i].end - 1) * 1000;
    batch.stamps_ms.push_back(windows[i].end - 2);
  }
  batch.chunk.SetCardinality(windows.size());
}

/// Takes back what was told of rows that have been taken back.
Result<> SessionAssignOperator::tell_taken(Arrived& rows, Emitter& out) {
  for (size_t at = 0; at < rows.taken.size(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, rows.taken.size() - at);
    Batch batch = Batch::make(schema_, count);
    const duckdb::SelectionVector selection(&rows.taken[at]);
    for (size_t column = 0; column < schema_->size() - 3; ++column)
      duckdb::VectorOperations::Copy(rows.batch.chunk.data[column], batch.chunk.data[column], selection, count, 0, 0);
    put_windows(
        {rows.taken_from.begin() + static_cast<long>(at), rows.taken_from.begin() + static_cast<long>(at + count)},
        batch);
    batch.diffs.assign(count, -1);
    HEADRACE_TRY(out.emit(std::move(batch), 0));
  }
  return {};
}

Result<> SessionAssignOperator::emit(Changes& changes, Emitter& out) {
  if (changes.rows.empty()) return {};
  Batch batch = Batch::make(schema_, changes.rows.size());
  for (size_t column = 0; column < schema_->size() - 3; ++column)
    rows_.gather(column, changes.rows.data(), changes.rows.size(), batch.chunk.data[column]);
  put_windows(changes.windows, batch);
  if (tells_) batch.diffs = std::move(changes.diffs);
  changes = {};
  return out.emit(std::move(batch), 0);
}

/// Calls body(row, session) for the rows of sessions, in order of the sessions, those of one in order of arrival. The
/// body may erase the row.
template <class Body>
Result<> SessionAssignOperator::each_row(const std::vector<Slot>& sessions, Body body) {
  for (size_t at = 0; at < sessions.size(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, sessions.size() - at);
    const std::vector<LogicalType> types = types_of_keys(node_);
    DataChunk keys;
    keys.Initialize(duckdb::Allocator::DefaultAllocator(), {types.begin(), types.end()});
    for (size_t i = 0; i < types.size(); ++i) sessions_.table().gather(i, &sessions[at], count, keys.data[i]);
    keys.SetCardinality(count);
    uint64_t hashes[STANDARD_VECTOR_SIZE];
    for (size_t i = 0; i < count; ++i) hashes[i] = sessions_.at(sessions[at + i]).key_hash;
    Slot groups[STANDARD_VECTOR_SIZE];
    rows_.find(keys, hashes, count, groups);
    for (size_t i = 0; i < count; ++i) {
      const int64_t first = sessions_.at(sessions[at + i]).start, last = sessions_.last_time(sessions[at + i]);
      for (Slot row = rows_.first(groups[i]); row != missing_slot;) {
        const Slot next = rows_.next(row);
        if (time_of(row) >= first && time_of(row) <= last) HEADRACE_TRY(body(row, sessions[at + i]));
        row = next;
      }
    }
  }
  return {};
}

/// Tells the rows whose session is another than when they were told last.
Result<> SessionAssignOperator::tell_changes(Emitter& out) {
  Changes changes;
  HEADRACE_TRY(each_row(touched_sessions(), [&](Slot row, Slot session) -> Result<> {
    const Told now{sessions_.at(session).start, sessions_.at(session).end}, before = told(row);
    if (now == before) return {};
    if (before.is_set()) changes.add(row, before, -1);
    changes.add(row, now, +1);
    std::memcpy(rows_.row_plain(row) + sizeof(int64_t), &now, sizeof(now));
    return static_cast<int64_t>(changes.rows.size()) + 1 < rows_per_batch ? Result<>() : emit(changes, out);
  }));
  return emit(changes, out);
}

/// The open sessions of the keys that rows have come to since the last call, in an order that the shards do not change.
std::vector<Slot> SessionAssignOperator::touched_sessions() {
  // A key may have gone since, and its place been taken.
  std::erase_if(touched_,
                [&](Slot head) { return !sessions_.table().is_used(head) || sessions_.at(head).head != head; });
  std::sort(touched_.begin(), touched_.end(), [&](Slot a, Slot b) {
    return std::pair(sessions_.at(a).key_hash, a) < std::pair(sessions_.at(b).key_hash, b);
  });
  touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
  std::vector<Slot> out;
  for (Slot head : std::exchange(touched_, {}))
    for (Slot next = sessions_.at(head).newest_plus_one; next != 0; next = sessions_.at(next - 1).older_plus_one)
      if (sessions_.at(next - 1).state == SessionTable::Session::open) out.push_back(next - 1);
  return out;
}

/// Lets the rows of closed sessions go; they are given out now, unless they were told already.
Result<> SessionAssignOperator::give_out(const std::vector<Slot>& sessions, Emitter& out) {
  Changes closed;
  auto let_go = [&]() -> Result<> {
    const std::vector<Slot> rows = closed.rows;
    HEADRACE_TRY(tells_ ? Result<>() : emit(closed, out));
    closed = {};
    for (Slot row : rows) {
      const Slot group = rows_.group_of(row);
      rows_.erase(row);
      if (rows_.rows_in(group) == 0) rows_.erase_group(group);
    }
    return {};
  };
  HEADRACE_TRY(each_row(sessions, [&](Slot row, Slot session) -> Result<> {
    closed.add(row, {sessions_.at(session).start, sessions_.at(session).end}, +1);
    return static_cast<int64_t>(closed.rows.size()) < rows_per_batch ? Result<>() : let_go();
  }));
  return let_go();
}

Result<> SessionAssignOperator::on_watermark(EventTime time, Emitter& out) {
  if (time <= closed_ && !overdue_) return {};
  time = std::max(time, closed_);
  overdue_ = false;
  // Before anyone below closes what they were told in.
  if (tells_) HEADRACE_TRY(tell_changes(out));
  HEADRACE_TRY(give_out(sessions_.close(time.ms), out));
  closed_ = time;
  sessions_.forget(time.ms);
  return {};
}

Result<> SessionAssignOperator::on_tick_end(const TickInfo&, Emitter& out) {
  return tells_ ? tell_changes(out) : Result<>();
}

Result<> SessionAssignOperator::tell_waiting(WaitingReport& report) {
  return tell_sessions(report, sessions_, [](Slot, WaitingReport::Part&) -> Result<> { return {}; });
}

std::vector<Table*> SessionAssignOperator::tables() {
  std::vector<Table*> out = rows_.tables();
  out.push_back(&sessions_.table());
  return out;
}

Result<> SessionAssignOperator::restored(EventTime watermark) {
  rows_.restored();
  sessions_.restored();
  closed_ = watermark;
  return {};
}

}  // namespace headrace
