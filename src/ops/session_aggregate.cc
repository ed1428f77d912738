#include "ops/session_aggregate.h"

#include <algorithm>

#include "ops/keys.h"
#include "ops/times.h"
#include "ops/waiting.h"

namespace headrace {
namespace {

using From = WindowAggregateNode::OutputColumn::From;

std::vector<LogicalType> group_types(const WindowAggregateNode& node) {
  std::vector<LogicalType> out(node.groups.size());
  for (size_t i = 0; i < node.outputs.size(); ++i)
    if (node.outputs[i].from == From::group) out[node.outputs[i].index] = node.output.columns[i].type;
  return key_types(out);
}

/// The key of a session: its groups and its number.
std::vector<Field> session_key(const WindowAggregateNode& node) {
  std::vector<Field> out;
  for (const LogicalType& type : SessionTable::key_of(group_types(node))) out.push_back({"session", type});
  for (size_t i = 0; i < node.outputs.size(); ++i)
    if (node.outputs[i].from == From::group) out[node.outputs[i].index].name = node.output.columns[i].name;
  return out;
}

/// The output columns that change while a session is open: all but the groups.
std::vector<size_t> changing_columns(const WindowAggregateNode& node) {
  std::vector<size_t> out;
  for (size_t i = 0; i < node.outputs.size(); ++i)
    if (node.outputs[i].from != From::group) out.push_back(i);
  return out;
}

std::vector<LogicalType> told_types(const WindowAggregateNode& node) {
  std::vector<LogicalType> out;
  if (node.emit_updates)
    for (size_t column : changing_columns(node)) out.push_back(node.output.columns[column].type);
  return out;
}

/// The value columns of a session: what was told of it, and what its aggregates keep.
std::vector<LogicalType> value_types(const WindowAggregateNode& node, Accumulators& accumulators) {
  TableSpec out;
  out.values = told_types(node);
  accumulators.add_columns(out);
  return out.values;
}

}  // namespace

SessionAggregateOperator::SessionAggregateOperator(const WindowAggregateNode& node, const OperatorContext& context)
    : node_(node),
      schema_(node.output.schema()),
      accumulators_(node.aggregates, session_key(node), context),
      sessions_(group_types(node), value_types(node, accumulators_), node.assign->size_ms,
                accumulators_.plain_bytes() + 8),
      told_(accumulators_.plain_bytes(), changing_columns(node), schema_),
      pace_(node.emit_every_ms) {}

Result<> SessionAggregateOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  std::vector<int64_t> times;
  read_times(batch, node_.assign->time_column, times);
  const size_t rows = times.size();
  DataChunk groups;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  take_keys(batch, node_.groups, groups, hashes);
  Slot heads[STANDARD_VECTOR_SIZE], sessions[STANDARD_VECTOR_SIZE];
  sessions_.find_heads(groups, hashes, rows, heads);
  std::vector<uint32_t> kept, refused, late;
  auto add_kept = [&]() -> Result<> {
    if (kept.empty()) return {};
    if (kept.size() == rows) return add_rows(batch.share(), groups, sessions, out);
    duckdb::SelectionVector selection(kept.data());
    DataChunk some;
    some.InitializeEmpty(groups.GetTypes());
    some.Slice(groups, selection, kept.size());
    HEADRACE_TRY(add_rows(batch.slice(kept), some, sessions, out));
    kept.clear();
    return {};
  };
  for (uint32_t row = 0; row < rows; ++row) {
    if (times[row] == no_time) {
      ++out.counters.filtered;
      refused.push_back(row);
      continue;
    }
    const int64_t watermark = batch.stamps_ms.empty() ? closed_.ms : std::max(batch.stamps_ms[row], closed_.ms);
    const SessionTable::Place place = sessions_.place(heads[row], times[row], watermark);
    if (place.session == missing_slot) {
      late.push_back(row);
      refused.push_back(row);
      continue;
    }
    if (place.absorbed != missing_slot) {
      // The rows before may belong to the session that is no more.
      HEADRACE_TRY(add_kept());
      HEADRACE_TRY(absorb(place.session, place.absorbed));
    }
    sessions[kept.size()] = place.session;
    kept.push_back(row);
  }
  HEADRACE_TRY(add_kept());
  for (uint32_t row : refused) sessions_.forget_unused(heads[row]);
  if (late.empty()) return {};
  out.counters.late += static_cast<int64_t>(late.size());
  out.late(batch, late);
  return {};
}

Result<> SessionAggregateOperator::add_rows(Batch batch, DataChunk& groups, const Slot* sessions, Emitter& out) {
  const size_t rows = static_cast<size_t>(batch.rows());
  Table& table = sessions_.table();
  DataChunk keys;
  keys.InitializeEmpty({table.spec().key.begin(), table.spec().key.end()});
  for (size_t i = 0; i < groups.ColumnCount(); ++i) keys.data[i].Reference(groups.data[i]);
  Vector numbers(LogicalType::BIGINT);
  table.gather(groups.ColumnCount(), sessions, rows, numbers);
  keys.data[groups.ColumnCount()].Reference(numbers);
  keys.SetCardinality(rows);
  accumulators_.update(table, sessions, batch, keys, out);
  if (!node_.emit_updates) return {};
  for (size_t row = 0; row < rows; ++row) told_.touch(table, sessions[row]);
  return {};
}

Result<> SessionAggregateOperator::absorb(Slot into, Slot absorbed) {
  HEADRACE_TRY(accumulators_.merge(sessions_.table(), into, absorbed));
  // What was told of it has to be taken back first.
  if (node_.emit_updates)
    told_.touch(sessions_.table(), absorbed);
  else
    sessions_.drop(absorbed);
  return {};
}

Result<> SessionAggregateOperator::fill_outputs(const Slot* sessions, size_t count, DataChunk& out, Emitter& emitter) {
  MergedSlots rows;
  for (size_t i = 0; i < count; ++i) rows.add(sessions[i]);
  for (size_t column = 0; column < node_.outputs.size(); ++column) {
    const auto& output = node_.outputs[column];
    Vector& vector = out.data[column];
    auto fill = [&](auto value_of) {
      int64_t* values = duckdb::FlatVector::GetData<int64_t>(vector);
      for (size_t i = 0; i < count; ++i) values[i] = value_of(sessions_.at(sessions[i])) * 1000;
    };
    using Session = SessionTable::Session;
    if (output.from == From::group)
      sessions_.table().gather(output.index, sessions, count, vector);
    else if (output.from == From::window_start)
      fill([](const Session& session) { return session.start; });
    else if (output.from == From::window_end)
      fill([](const Session& session) { return session.end; });
    else if (output.from == From::window_time)
      fill([](const Session& session) { return session.end - 1; });
    else
      HEADRACE_TRY(accumulators_.result(sessions_.table(), output.index, rows, vector, emitter));
  }
  out.SetCardinality(count);
  return {};
}

Result<> SessionAggregateOperator::emit(const std::vector<Slot>& sessions, Emitter& out) {
  for (size_t at = 0; at < sessions.size(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, sessions.size() - at);
    Batch batch = Batch::make(schema_, count);
    HEADRACE_TRY(fill_outputs(&sessions[at], count, batch.chunk, out));
    // Never late for what comes next: the watermark before them had not passed their own time.
    for (size_t i = at; i < at + count; ++i) batch.stamps_ms.push_back(sessions_.at(sessions[i]).end - 2);
    // A session all of whose rows were refused is none.
    std::vector<uint32_t> live;
    for (size_t i = 0; i < count; ++i)
      if (Accumulators::rows_of(sessions_.table(), sessions[at + i]) > 0) live.push_back(static_cast<uint32_t>(i));
    if (live.empty()) continue;
    HEADRACE_TRY(out.emit(live.size() == count ? std::move(batch) : batch.slice(live), 0));
  }
  return {};
}

Result<> SessionAggregateOperator::tell(const std::vector<Slot>& sessions, Emitter& out) {
  Table& table = sessions_.table();
  for (size_t at = 0; at < sessions.size(); at += rows_per_batch / 2) {
    const size_t count = std::min<size_t>(rows_per_batch / 2, sessions.size() - at);
    DataChunk now;
    now.Initialize(duckdb::Allocator::DefaultAllocator(), schema_->types(), count);
    HEADRACE_TRY(fill_outputs(&sessions[at], count, now, out));
    std::vector<uint8_t> live;
    for (size_t i = at; i < at + count; ++i)
      live.push_back(sessions_.at(sessions[i]).state != SessionTable::Session::absorbed &&
                     Accumulators::rows_of(table, sessions[i]) > 0);
    HEADRACE_TRY(told_.tell(table, &sessions[at], live, now, closed_.ms, out));
  }
  for (Slot slot : sessions) {
    if (sessions_.at(slot).state != SessionTable::Session::absorbed) continue;
    const Slot head = sessions_.at(slot).head;
    sessions_.drop(slot);
    sessions_.forget_unused(head);
  }
  return {};
}

Result<> SessionAggregateOperator::on_watermark(EventTime time, Emitter& out) {
  if (time <= closed_) return {};
  HEADRACE_TRY(accumulators_.settle(sessions_.table(), out));
  const std::vector<Slot> due = sessions_.close(time.ms);
  HEADRACE_TRY(node_.emit_updates ? tell(due, out) : emit(due, out));
  for (Slot slot : due) accumulators_.erase(sessions_.table(), slot);
  closed_ = time;
  sessions_.forget(time.ms);
  return {};
}

Result<> SessionAggregateOperator::on_tick_end(const TickInfo& tick, Emitter& out) {
  HEADRACE_TRY(accumulators_.settle(sessions_.table(), out));
  if (!told_.any_touched() || !pace_.is_due(tick)) return {};
  return tell(told_.take_touched(sessions_.table()), out);
}

Result<> SessionAggregateOperator::tell_waiting(WaitingReport& report) {
  return tell_sessions(report, sessions_, [&](Slot slot, WaitingReport::Part& part) -> Result<> {
    part.rows = Accumulators::rows_of(sessions_.table(), slot);
    part.results = part.rows > 0;
    Gathered now;
    HEADRACE_TRY(emit({slot}, now));
    part.now = std::move(now.batches);
    return {};
  });
}

std::vector<Table*> SessionAggregateOperator::tables() {
  std::vector<Table*> out{&sessions_.table()};
  for (Table* bag : accumulators_.tables()) out.push_back(bag);
  return out;
}

Result<> SessionAggregateOperator::restored(EventTime watermark) {
  accumulators_.restored(sessions_.table());
  sessions_.restored();
  closed_ = watermark;
  if (node_.emit_updates) told_.restored(sessions_.table());
  return {};
}

}  // namespace headrace
