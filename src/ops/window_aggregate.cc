#include "ops/window_aggregate.h"

#include <algorithm>
#include <cstring>

#include "duck/rows.h"
#include "ops/keys.h"
#include "ops/times.h"
#include "ops/waiting.h"

namespace headrace {
namespace {

using From = WindowAggregateNode::OutputColumn::From;

/// The groups, then the slice's (or window's) bounds in ms.
std::vector<Field> slice_key(const WindowAggregateNode& node) {
  std::vector<Field> out(node.groups.size());
  for (size_t i = 0; i < node.outputs.size(); ++i)
    if (node.outputs[i].from == From::group)
      out[node.outputs[i].index] = {node.output.columns[i].name, node.output.columns[i].type};
  out.push_back({"start_ms", LogicalType::BIGINT});
  out.push_back({"end_ms", LogicalType::BIGINT});
  return out;
}

TableSpec slices_spec(const WindowAggregateNode& node, Accumulators& accumulators) {
  TableSpec out;
  out.name = "slices";
  for (const Field& field : slice_key(node)) {
    out.key.push_back(field.type);
    out.names.push_back(field.name);
  }
  if (node.emit_updates)
    for (const Aggregate& aggregate : node.aggregates) out.values.push_back(aggregate.type);
  accumulators.add_columns(out);
  out.plain_bytes = accumulators.plain_bytes() + 16;
  return out;
}

/// The output column that each aggregate fills.
std::vector<size_t> result_columns(const WindowAggregateNode& node) {
  std::vector<size_t> out(node.aggregates.size());
  for (size_t column = 0; column < node.outputs.size(); ++column)
    if (node.outputs[column].from == From::aggregate) out[node.outputs[column].index] = column;
  return out;
}

/// The rows of a batch that are live, when not all are.
Batch only(Batch batch, const std::vector<uint32_t>& rows) {
  return static_cast<int64_t>(rows.size()) == batch.rows() ? std::move(batch) : batch.slice(rows);
}

}  // namespace

WindowAggregateOperator::WindowAggregateOperator(const WindowAggregateNode& node, const OperatorContext& context)
    : node_(node),
      sessions_(!node.assign && context.output_of(node.inputs[0]).columns[node.window_end].window_ms == 0),
      schema_(node.output.schema()),
      accumulators_(node.aggregates, slice_key(node), context),
      slices_(slices_spec(node, accumulators_), accumulators_.plain_bytes() + 8),
      told_(accumulators_.plain_bytes(), result_columns(node), schema_),
      pace_(node.emit_every_ms) {
  if (!node.assign) return;
  math_.emplace(*node.assign);
  // Values in bags would be copied into each slice of the front; a user's merge() that fails costs one window its
  // value, and shared it would cost many: such windows are put together from their slices.
  if (accumulators_.are_plain() && SliceStacks::help(*math_)) stacks_.emplace(*math_, slices_, accumulators_);
}

/// Fills times_ (start of the row's slice or window; no_time for rows of no window) and ends_.
void WindowAggregateOperator::read_bounds(Batch& batch) {
  if (!math_) {
    read_times(batch, node_.window_start, times_);
    read_times(batch, node_.window_end, ends_);
    return;
  }
  read_times(batch, node_.assign->time_column, times_);
  ends_.resize(times_.size());
  for (size_t row = 0; row < times_.size(); ++row) {
    if (times_[row] == no_time || !math_->covered(times_[row])) {
      times_[row] = no_time;
      continue;
    }
    times_[row] = math_->slice_of(times_[row]);
    ends_[row] = stacks_ ? stacks_->bounds_for(times_[row]).end : times_[row] + math_->slice_ms;
  }
}

/// True when every window that the row belongs to has closed.
bool WindowAggregateOperator::is_late(size_t row, int64_t watermark) const {
  return math_ ? math_->late(times_[row], watermark) : ends_[row] - 1 <= watermark;
}

Result<> WindowAggregateOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  read_bounds(batch);
  const size_t rows = times_.size();
  std::vector<uint32_t> late, kept, whole;
  // A row that comes between two closings of windows it belongs to must find the earlier ones closed already. `turns`
  // are the rows before which windows have to be closed; there are none unless rows come late.
  std::vector<size_t> turns;
  for (size_t row = 0; row < rows; ++row) {
    if (times_[row] == no_time) {
      ++out.counters.filtered;
      continue;
    }
    int64_t stamp = batch.stamps_ms.empty() ? closed_.ms : batch.stamps_ms[row];
    if (!sessions_) stamp = std::max(stamp, closed_.ms);
    if (is_late(row, stamp)) {
      late.push_back(static_cast<uint32_t>(row));
      continue;
    }
    if (math_ && stamp > closed_.ms && math_->first_end(times_[row]) - 1 <= stamp) turns.push_back(kept.size());
    kept.push_back(static_cast<uint32_t>(row));
  }
  if (!late.empty()) {
    out.counters.late += static_cast<int64_t>(late.size());
    out.late(batch, late);
  }
  if (kept.empty()) return {};
  if (turns.empty() && kept.size() == rows) return add_rows(std::move(batch), out);
  turns.push_back(kept.size());
  size_t from = 0;
  for (size_t turn : turns) {
    if (turn > from)
      HEADRACE_TRY(
          add_rows(batch.slice({kept.begin() + static_cast<long>(from), kept.begin() + static_cast<long>(turn)}), out));
    if (turn < kept.size()) HEADRACE_TRY(close_until(EventTime{batch.stamps_ms[kept[turn]]}, out));
    from = turn;
  }
  return {};
}

Result<> WindowAggregateOperator::add_rows(Batch batch, Emitter& out) {
  const size_t rows = static_cast<size_t>(batch.rows());
  read_bounds(batch);
  DataChunk groups, keys;
  uint64_t group_hashes[STANDARD_VECTOR_SIZE];
  take_keys(batch, node_.groups, groups, group_hashes);
  Slot slots[STANDARD_VECTOR_SIZE];
  uint8_t created[STANDARD_VECTOR_SIZE];
  slices_.find_or_create(groups, group_hashes, times_.data(), ends_.data(), rows, keys, slots, created);
  for (size_t row = 0; row < rows; ++row) {
    if (!created[row]) continue;
    overdue_ = overdue_ || (sessions_ && ends_[row] - 1 <= closed_.ms);
    if (stacks_)
      stacks_->add(slots[row]);
    else
      slices_.open[{times_[row], ends_[row]}].push_back(slots[row]);
  }
  accumulators_.update(slices_.table, slots, batch, keys, out);
  if (!node_.emit_updates) return {};
  for (size_t row = 0; row < rows; ++row) told_.touch(slices_.table, slots[row]);
  return {};
}

/// The rows of one window, those of each group together.
MergedSlots WindowAggregateOperator::rows_of(Bounds window) const {
  if (stacks_) return slices_.by_group(stacks_->parts_of(window));
  if (!math_) return slices_.by_group(slices_.open.at(window));
  std::vector<Slot> slots;
  slices_.collect(window.start, window.end, slots);
  return slices_.by_group(slots);
}

bool WindowAggregateOperator::is_live(const MergedSlots& rows, size_t row) const {
  int64_t held = 0;
  for (uint32_t i = rows.begin(row); i < rows.ends[row]; ++i)
    held += Accumulators::rows_of(slices_.table, rows.slots[i]);
  return held > 0;
}

Result<> WindowAggregateOperator::fill_outputs(Bounds window, const MergedSlots& rows, size_t first, size_t count,
                                               DataChunk& out, Emitter& emitter) {
  MergedSlots part;
  Slot heads[STANDARD_VECTOR_SIZE];
  for (size_t row = first; row < first + count; ++row) {
    heads[row - first] = rows.slots[rows.begin(row)];
    part.slots.insert(part.slots.end(), rows.slots.begin() + rows.begin(row), rows.slots.begin() + rows.ends[row]);
    part.ends.push_back(static_cast<uint32_t>(part.slots.size()));
  }
  for (size_t column = 0; column < node_.outputs.size(); ++column) {
    const auto& output = node_.outputs[column];
    Vector& vector = out.data[column];
    auto fill = [&](int64_t ms) { std::fill_n(duckdb::FlatVector::GetData<int64_t>(vector), count, ms * 1000); };
    if (output.from == From::group)
      slices_.table.gather(output.index, heads, count, vector);
    else if (output.from == From::window_start)
      fill(window.start);
    else if (output.from == From::window_end)
      fill(window.end);
    else if (output.from == From::window_time)
      fill(window.end - 1);
    else
      HEADRACE_TRY(accumulators_.result(slices_.table, output.index, part, vector, emitter));
  }
  out.SetCardinality(count);
  return {};
}

Result<> WindowAggregateOperator::emit_window(Bounds window, const MergedSlots& rows, Emitter& out) {
  for (size_t at = 0; at < rows.rows(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, rows.rows() - at);
    Batch batch = Batch::make(schema_, count);
    HEADRACE_TRY(fill_outputs(window, rows, at, count, batch.chunk, out));
    // Never late for what comes next: the watermark before them had not passed their own time.
    batch.stamps_ms.assign(count, window.end - 2);
    std::vector<uint32_t> live;
    for (uint32_t row = 0; row < count; ++row)
      if (is_live(rows, at + row)) live.push_back(row);
    if (!live.empty()) HEADRACE_TRY(out.emit(only(std::move(batch), live), 0));
  }
  return {};
}

/// Tells the partial (or last) results of one window's rows as changes.
Result<> WindowAggregateOperator::tell(Bounds window, const std::vector<Slot>& slots, Emitter& out) {
  const MergedSlots rows = slices_.by_group(slots);
  for (size_t at = 0; at < rows.rows(); at += rows_per_batch / 2) {
    const size_t count = std::min<size_t>(rows_per_batch / 2, rows.rows() - at);
    DataChunk now;
    now.Initialize(duckdb::Allocator::DefaultAllocator(), schema_->types(), count);
    HEADRACE_TRY(fill_outputs(window, rows, at, count, now, out));
    std::vector<uint8_t> live;
    for (size_t row = at; row < at + count; ++row) live.push_back(is_live(rows, row));
    HEADRACE_TRY(told_.tell(slices_.table, &rows.slots[at], live, now, window.end - 2, out));
  }
  return {};
}

/// The slices of a window that grows are needed together from now on: each group keeps one row of them, so that the
/// next window costs as much as its own step brought.
Result<> WindowAggregateOperator::put_together(Bounds window, const MergedSlots& rows) {
  bool any = false;
  for (size_t row = 0; row < rows.rows(); ++row) {
    const Slot kept = rows.slots[rows.begin(row)];
    for (uint32_t i = rows.begin(row) + 1; i < rows.ends[row]; ++i) {
      HEADRACE_TRY(accumulators_.merge(slices_.table, kept, rows.slots[i]));
      slices_.table.erase(rows.slots[i]);
      any = true;
    }
  }
  if (!any) return {};
  const auto end = slices_.open.lower_bound({window.end, INT64_MIN});
  for (auto slice = slices_.open.lower_bound({window.start, INT64_MIN}); slice != end;) {
    std::vector<Slot>& slots = slice->second;
    slots.erase(std::remove_if(slots.begin(), slots.end(), [&](Slot slot) { return !slices_.table.is_used(slot); }),
                slots.end());
    slice = slots.empty() ? slices_.open.erase(slice) : std::next(slice);
  }
  return {};
}

void WindowAggregateOperator::erase(Bounds slice) {
  for (Slot slot : slices_.open[slice]) {
    accumulators_.erase(slices_.table, slot);
    slices_.table.erase(slot);
  }
  slices_.open.erase(slice);
}

/// The end of the window that closes next: the first open one that holds anything, or (in the stacks) may do so.
int64_t WindowAggregateOperator::next_end() const {
  if (stacks_ && stacks_->holds_any()) return math_->first_end(closed_.ms + 1);
  const int64_t slice = slices_.open.begin()->first.start;
  return math_->first_end(closed_ == EventTime::min() ? slice : std::max(slice, closed_.ms + 1));
}

Result<> WindowAggregateOperator::close_slices(EventTime time, Emitter& out) {
  while (!slices_.open.empty() || (stacks_ && stacks_->holds_any())) {
    const int64_t end = next_end();
    const Bounds window{math_->start_of(end), end};
    if (!slices_.open.empty() && window.start > slices_.open.begin()->first.start) {
      erase(slices_.open.begin()->first);  // Every window that holds it has closed.
      continue;
    }
    if (end - 1 > time.ms) break;
    if (stacks_) HEADRACE_TRY(stacks_->cover(end));
    const MergedSlots rows = rows_of(window);
    HEADRACE_TRY(emit_window(window, rows, out));
    if (math_->cumulates) HEADRACE_TRY(put_together(window, rows));
    closed_ = EventTime{end - 1};
  }
  return stacks_ ? stacks_->cover_until(time) : Result<>();
}

Result<> WindowAggregateOperator::close_windows(EventTime time, Emitter& out) {
  std::vector<Bounds> due;
  for (const auto& [bounds, slots] : slices_.open)
    if (bounds.end - 1 <= time.ms) due.push_back(bounds);
  std::sort(due.begin(), due.end(),
            [](Bounds a, Bounds b) { return a.end != b.end ? a.end < b.end : a.start < b.start; });
  for (Bounds window : due) {
    if (node_.emit_updates)
      HEADRACE_TRY(tell(window, slices_.open[window], out));
    else
      HEADRACE_TRY(emit_window(window, rows_of(window), out));
    erase(window);
  }
  return {};
}

Result<> WindowAggregateOperator::close_until(EventTime time, Emitter& out) {
  const bool overdue = std::exchange(overdue_, false);
  if (time <= closed_ && !overdue) return {};
  time = std::max(time, closed_);
  HEADRACE_TRY(accumulators_.settle(slices_.table, out));
  HEADRACE_TRY(math_ ? close_slices(time, out) : close_windows(time, out));
  closed_ = time;
  return {};
}

Result<> WindowAggregateOperator::on_watermark(EventTime time, Emitter& out) {
  return close_until(time, out);
}

/// A window all of whose rows were taken back gives nothing.
EventTime WindowAggregateOperator::last_due() const {
  const std::set<std::pair<int64_t, int64_t>> open = open_windows({});
  for (auto window = open.rbegin(); window != open.rend(); ++window) {
    const MergedSlots rows = rows_of({window->second, window->first});
    for (size_t row = 0; row < rows.rows(); ++row)
      if (is_live(rows, row)) return EventTime{window->first - 1};
  }
  return EventTime::min();
}

Result<> WindowAggregateOperator::on_tick_end(const TickInfo& tick, Emitter& out) {
  HEADRACE_TRY(accumulators_.settle(slices_.table, out));
  if (!told_.any_touched() || !pace_.is_due(tick)) return {};
  std::map<Bounds, std::vector<Slot>> by_window;
  for (Slot slot : told_.take_touched(slices_.table)) by_window[slices_.bounds_of(slot)].push_back(slot);
  for (const auto& [window, slots] : by_window) HEADRACE_TRY(tell(window, slots, out));
  return {};
}

/// End and start of the windows asked for that are open and hold rows.
std::set<std::pair<int64_t, int64_t>> WindowAggregateOperator::open_windows(const WaitingReport& report) const {
  std::set<std::pair<int64_t, int64_t>> out;
  if (!math_) {
    for (const auto& [window, slots] : slices_.open)
      if (report.is_asked_for(EventTime{window.start})) out.insert({window.end, window.start});
    return out;
  }
  std::vector<int64_t> slices = stacks_ ? stacks_->starts() : std::vector<int64_t>();
  for (const auto& [slice, slots] : slices_.open) slices.push_back(slice.start);
  for (int64_t slice : slices) {
    const int64_t from = closed_ == EventTime::min() ? slice : std::max(slice, closed_.ms + 1);
    for (int64_t end = math_->first_end(from); end <= math_->last_end(slice); end += math_->step_ms) {
      const int64_t start = math_->start_of(end);
      if (start <= slice && report.is_asked_for(EventTime{start})) out.insert({end, start});
    }
  }
  return out;
}

Result<> WindowAggregateOperator::tell_waiting(WaitingReport& report) {
  for (const auto& [end, start] : open_windows(report)) {
    ++report.parts_open;
    if (report.parts.size() == report.parts_max) continue;
    const Bounds window{start, end};
    MergedSlots rows = rows_of(window);
    WaitingReport::Part& part = report.parts.emplace_back();
    part.start = EventTime{start};
    part.due = EventTime{end - 1};
    for (Slot slot : rows.slots) part.rows += Accumulators::rows_of(slices_.table, slot);
    for (size_t row = 0; row < rows.rows(); ++row) part.results += is_live(rows, row);
    rows.ends.resize(std::min(rows.rows(), report.results_max));
    Gathered now;
    HEADRACE_TRY(emit_window(window, rows, now));
    part.now = std::move(now.batches);
  }
  return {};
}

std::vector<Table*> WindowAggregateOperator::tables() {
  std::vector<Table*> out{&slices_.table};
  for (Table* bag : accumulators_.tables()) out.push_back(bag);
  return out;
}

Result<> WindowAggregateOperator::restored(EventTime watermark) {
  accumulators_.restored(slices_.table);
  closed_ = watermark;
  if (stacks_) {
    stacks_->restored(watermark);
    return {};
  }
  slices_.open.clear();
  for (Slot slot : slices_.table.slots()) slices_.open[slices_.bounds_of(slot)].push_back(slot);
  if (node_.emit_updates) told_.restored(slices_.table);
  return {};
}

}  // namespace headrace
