#include "ops/join.h"

#include <algorithm>
#include <numeric>

#include "ops/failing.h"
#include "ops/keys.h"
#include "ops/times.h"
#include "ops/waiting.h"

namespace headrace {
namespace {

constexpr int64_t no_expiry = INT64_MAX;

bool tells_left_alone(JoinKind kind) {
  return kind == JoinKind::left || kind == JoinKind::full || kind == JoinKind::semi || kind == JoinKind::anti;
}
bool tells_right_alone(JoinKind kind) {
  return kind == JoinKind::right || kind == JoinKind::full;
}

std::vector<LogicalType> types_of(const Output& output) {
  std::vector<LogicalType> out;
  for (const Column& column : output.columns) out.push_back(column.type);
  return out;
}

/// Left then right columns, as the residual reads them.
SchemaRef pair_schema(const Output& left, const Output& right) {
  std::vector<Field> fields;
  for (const Output* side : {&left, &right})
    for (const Column& column : side->columns) fields.push_back({column.name, column.type, true});
  return std::make_shared<Schema>(std::move(fields));
}

/// Sets marks[row] where the column is NULL.
void mark_nulls(Batch& batch, size_t column, std::vector<uint8_t>& marks) {
  duckdb::UnifiedVectorFormat format;
  batch.chunk.data[column].ToUnifiedFormat(marks.size(), format);
  if (format.validity.AllValid()) return;
  for (size_t row = 0; row < marks.size(); ++row)
    if (!format.validity.RowIsValid(format.sel->get_index(row))) marks[row] = 1;
}

}  // namespace

JoinOperator::Side::Side(const std::string& name, const JoinSide& plan_, const Output& input, size_t first_column_,
                         bool alone_)
    : plan(plan_),
      first_column(first_column_),
      width(input.columns.size()),
      alone(alone_),
      changes(input.changelog != Changelog::append),
      rows({name, types_of(input), plan_.keys, 0, sizeof(Kept)}) {}

JoinOperator::JoinOperator(const JoinNode& node, const OperatorContext& context)
    : node_(node),
      schema_(node.output.schema()),
      pairs_told_(node.join != JoinKind::semi && node.join != JoinKind::anti),
      pair_schema_(pair_schema(context.output_of(node.inputs[0]), context.output_of(node.inputs[1]))),
      sides_{{"left", node_.left, context.output_of(node.inputs[0]), 0, tells_left_alone(node.join)},
             {"right", node_.right, context.output_of(node.inputs[1]), context.output_of(node.inputs[0]).columns.size(),
              tells_right_alone(node.join)}} {
  if (!node.residual.empty()) residual_.emplace(context.evaluation, std::vector<Expr>{node.residual}, failing_of(node));
}

Result<> JoinOperator::emit(Batch batch, Emitter& out) {
  batch.ordinal = ordinal_;
  if (node_.output.watermark) {
    const bool set = closed_ != EventTime::min();
    batch.stamps_ms.assign(batch.chunk.size(), set ? closed_.ms - node_.hold_ms : closed_.ms);
  }
  return out.emit(std::move(batch), 0);
}

/// The rows that come after the watermark has let their partners go.
std::vector<uint32_t> JoinOperator::take_late(uint32_t input, const Batch& batch, Emitter& out) const {
  const std::optional<Promise>& promise = sides_[input].plan.promise;
  std::vector<uint32_t> late;
  if (!promise || batch.stamps_ms.empty()) return late;
  std::vector<int64_t> times;
  read_times(batch, promise->column, times);
  for (uint32_t row = 0; row < times.size(); ++row)
    if (times[row] != no_time && batch.stamps_ms[row] != EventTime::min().ms &&
        times[row] <= batch.stamps_ms[row] - promise->lag_ms)
      late.push_back(row);
  if (late.empty()) return late;
  out.counters.late += static_cast<int64_t>(late.size());
  out.late(batch, late);
  return late;
}

void JoinOperator::put_alone(const Side& side, Batch& out) const {
  const size_t other_first = side.first_column == 0 ? side.width : 0;
  const size_t other_width = schema_->size() - side.width;
  for (size_t i = 0; pairs_told_ && i < other_width; ++i) {
    Vector& column = out.chunk.data[other_first + i];
    column.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
    duckdb::ConstantVector::SetNull(column, true);
  }
}

/// Rows with a NULL where a partner would have to be equal: they have none, now and later, and are not kept.
Result<> JoinOperator::tell_partnerless(uint32_t input, Batch& batch, std::vector<uint32_t>& rows, Emitter& out) {
  Side& side = sides_[input];
  if (!side.alone || node_.join == JoinKind::semi) {
    out.counters.filtered += static_cast<int64_t>(rows.size());
    return {};
  }
  out.counters.passed += static_cast<int64_t>(rows.size());
  Batch alone = batch.slice(rows);
  Batch told = Batch::make(schema_, rows.size());
  for (size_t i = 0; i < side.width; ++i) {
    // A semi or anti join has the left columns only.
    told.chunk.data[side.first_column + i].Reference(alone.chunk.data[i]);
  }
  put_alone(side, told);
  told.chunk.SetCardinality(rows.size());
  told.diffs = std::move(alone.diffs);
  return emit(std::move(told), out);
}

/// Adds the inserted rows to their side and takes the retracted ones out of it. `unknown`: retractions of rows that
/// are not there, because they came late.
Result<> JoinOperator::keep(uint32_t input, Arrived& arrived, std::vector<uint32_t>& unknown, Emitter& out) {
  Side& side = sides_[input];
  Batch& batch = arrived.batch;
  const size_t rows = static_cast<size_t>(batch.rows());
  arrived.slots.assign(rows, missing_slot);
  std::vector<int64_t> times;
  if (side.plan.expiry) read_times(batch, side.plan.expiry->column, times);
  auto note = [&](Slot slot, size_t row) {
    Kept& state = kept(side, slot);
    state.expiry_ms = side.plan.expiry ? times[row] + side.plan.expiry->keep_ms : no_expiry;
    if (side.plan.expiry) {
      side.due.push_back({state.expiry_ms, slot});
      std::push_heap(side.due.begin(), side.due.end());
    }
    if (side.alone && !side.plan.expiry) touch(side, slot);
  };
  Slot groups[STANDARD_VECTOR_SIZE];
  if (batch.inserts_only()) {
    side.rows.add(batch.chunk, arrived.keys, arrived.hashes, rows, groups, arrived.slots.data());
    for (size_t row = 0; row < rows; ++row) note(arrived.slots[row], row);
    return {};
  }
  std::vector<uint32_t> inserted, retracted;
  for (uint32_t row = 0; row < rows; ++row) (batch.diff(row) > 0 ? inserted : retracted).push_back(row);
  if (!inserted.empty()) {
    Batch part = batch.slice(inserted);
    DataChunk keys;
    uint64_t hashes[STANDARD_VECTOR_SIZE];
    Slot slots[STANDARD_VECTOR_SIZE];
    take_keys(part, side.plan.keys, keys, hashes);
    side.rows.add(part.chunk, keys, hashes, inserted.size(), groups, slots);
    for (size_t i = 0; i < inserted.size(); ++i) {
      arrived.slots[inserted[i]] = slots[i];
      note(slots[i], inserted[i]);
    }
  }
  // Inserts stand first, so that a row that comes and goes within the batch is found.
  side.rows.find(arrived.keys, arrived.hashes, rows, groups);
  ChunkRows values(batch.chunk, rows);
  for (uint32_t row : retracted) {
    const Slot slot = groups[row] == missing_slot ? missing_slot : side.rows.find_equal(groups[row], values, row);
    if (slot == missing_slot) {
      unknown.push_back(row);
      continue;
    }
    if (read_kept(side, slot).told) HEADRACE_TRY(tell_alone(input, {slot}, {-1}, out));
    side.rows.erase(slot);
  }
  side.rows.forget_empty(groups, rows);
  return {};
}

void JoinOperator::touch(Side& side, Slot row) {
  Kept& state = kept(side, row);
  if (state.touched) return;
  state.touched = 1;
  side.touched.push_back(row);
}

void JoinOperator::note_partner(Side& side, Slot row, int32_t diff) {
  kept(side, row).partners += diff;
  touch(side, row);
}

/// Brings each row together with those of the other side that have its key.
Result<> JoinOperator::meet(uint32_t input, Arrived& arrived, Emitter& out) {
  const KeyedRows& others = sides_[1 - input].rows;
  const size_t rows = static_cast<size_t>(arrived.batch.rows());
  Slot groups[STANDARD_VECTOR_SIZE];
  others.find(arrived.keys, arrived.hashes, rows, groups);
  Pairs pairs;
  for (uint32_t row = 0; row < rows; ++row) {
    if (groups[row] == missing_slot) continue;
    for (Slot partner = others.first(groups[row]); partner != missing_slot; partner = others.next(partner)) {
      pairs.rows.push_back(row);
      pairs.partners.push_back(partner);
      if (static_cast<int64_t>(pairs.rows.size()) == rows_per_batch) HEADRACE_TRY(flush(input, arrived, pairs, out));
    }
  }
  return flush(input, arrived, pairs, out);
}

/// Tells the pairs that meet the further condition, and notes that they are partners.
Result<> JoinOperator::flush(uint32_t input, Arrived& arrived, Pairs& pairs, Emitter& out) {
  if (pairs.rows.empty()) return {};
  Side &own = sides_[input], &other = sides_[1 - input];
  const size_t count = pairs.rows.size();
  std::vector<uint32_t> met(count);
  std::iota(met.begin(), met.end(), 0);
  if (pairs_told_ || residual_) {
    Batch rows = arrived.batch.slice(pairs.rows);
    Batch batch = Batch::make(pair_schema_, count);
    for (size_t i = 0; i < own.width; ++i) batch.chunk.data[own.first_column + i].Reference(rows.chunk.data[i]);
    for (size_t i = 0; i < other.width; ++i)
      other.rows.gather(i, pairs.partners.data(), count, batch.chunk.data[other.first_column + i]);
    batch.chunk.SetCardinality(count);
    batch.diffs = std::move(rows.diffs);
    if (residual_)
      HEADRACE_TRY(
          residual_->select(batch, met, [&](uint32_t row, const Error& reason) { out.reject(batch, row, reason); }));
    if (pairs_told_ && !met.empty()) {
      Batch told = met.size() == count ? std::move(batch) : batch.slice(met);
      told.schema = schema_;
      HEADRACE_TRY(emit(std::move(told), out));
    }
  }
  for (uint32_t pair : met) {
    const uint32_t row = pairs.rows[pair];
    const int32_t diff = arrived.batch.diff(row);
    if (own.alone && diff > 0) note_partner(own, arrived.slots[row], 1);
    if (other.alone) note_partner(other, pairs.partners[pair], diff > 0 ? 1 : -1);
  }
  pairs.rows.clear();
  pairs.partners.clear();
  return {};
}

Result<> JoinOperator::on_batch(uint32_t input, Batch batch, Emitter& out) {
  Side& side = sides_[input];
  nothing_waits_ = false;
  ordinal_ = std::max(ordinal_, batch.ordinal);
  if (std::vector<uint32_t> late = take_late(input, batch, out); !late.empty())
    batch = batch.slice(all_but(static_cast<size_t>(batch.rows()), late));
  std::vector<uint8_t> none(static_cast<size_t>(batch.rows()));
  for (size_t key = 0; key < side.plan.keys.size(); ++key)
    if (!node_.null_safe[key]) mark_nulls(batch, side.plan.keys[key], none);
  if (side.plan.expiry) mark_nulls(batch, side.plan.expiry->column, none);
  std::vector<uint32_t> partnerless;
  for (uint32_t row = 0; row < none.size(); ++row)
    if (none[row]) partnerless.push_back(row);
  if (!partnerless.empty()) {
    HEADRACE_TRY(tell_partnerless(input, batch, partnerless, out));
    batch = batch.slice(all_but(none.size(), partnerless));
  }
  if (batch.rows() == 0) return {};
  Arrived arrived;
  arrived.batch = std::move(batch);
  take_keys(arrived.batch, side.plan.keys, arrived.keys, arrived.hashes);
  std::vector<uint32_t> unknown;
  HEADRACE_TRY(keep(input, arrived, unknown, out));
  if (!unknown.empty()) {
    out.counters.filtered += static_cast<int64_t>(unknown.size());
    const std::vector<uint32_t> known = all_but(arrived.slots.size(), unknown);
    std::vector<Slot> slots;
    for (uint32_t row : known) slots.push_back(arrived.slots[row]);
    arrived.batch = arrived.batch.slice(known);
    arrived.slots = std::move(slots);
    if (known.empty()) return {};
    arrived.keys.Destroy();
    take_keys(arrived.batch, side.plan.keys, arrived.keys, arrived.hashes);
  }
  out.counters.passed += arrived.batch.rows();
  return meet(input, arrived, out);
}

/// Tells rows of one side for themselves, in the order given.
Result<> JoinOperator::tell_alone(uint32_t input, const std::vector<Slot>& rows, const std::vector<int32_t>& diffs,
                                  Emitter& out) {
  const Side& side = sides_[input];
  for (size_t at = 0; at < rows.size(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, rows.size() - at);
    Batch batch = Batch::make(schema_, count);
    for (size_t i = 0; i < side.width; ++i)
      side.rows.gather(i, &rows[at], count, batch.chunk.data[side.first_column + i]);
    put_alone(side, batch);
    batch.chunk.SetCardinality(count);
    batch.diffs.assign(diffs.begin() + static_cast<long>(at), diffs.begin() + static_cast<long>(at + count));
    if (std::all_of(batch.diffs.begin(), batch.diffs.end(), [](int32_t diff) { return diff > 0; })) batch.diffs.clear();
    HEADRACE_TRY(emit(std::move(batch), out));
  }
  return {};
}

Result<> JoinOperator::on_tick_end(const TickInfo&, Emitter& out) {
  for (uint32_t input = 0; input < 2; ++input) {
    Side& side = sides_[input];
    // In an order that depends neither on arrival nor on the number of shards.
    std::vector<Slot> touched = std::exchange(side.touched, {});
    std::erase_if(touched, [&](Slot row) { return !side.rows.rows().is_used(row); });
    std::stable_sort(touched.begin(), touched.end(),
                     [&](Slot a, Slot b) { return side.rows.rows().hash(a) < side.rows.rows().hash(b); });
    std::vector<Slot> rows;
    std::vector<int32_t> diffs;
    for (Slot row : touched) {
      Kept& state = kept(side, row);
      state.touched = 0;
      // What wants of a partner is told when the row expires, if it does; or at the end of a run, before partners came.
      if (side.plan.expiry && node_.join != JoinKind::semi && !state.told) continue;
      const bool wanted = wanted_alone(state.partners);
      if (wanted == static_cast<bool>(state.told)) continue;
      state.told = wanted;
      rows.push_back(row);
      diffs.push_back(wanted ? 1 : -1);
    }
    HEADRACE_TRY(tell_alone(input, rows, diffs, out));
  }
  ordinal_ = {};
  return {};
}

/// Each row once, in an order that depends neither on arrival nor on the number of shards.
void JoinOperator::sort_by_expiry(const Side& side, std::vector<Slot>& rows) const {
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  std::stable_sort(rows.begin(), rows.end(), [&](Slot a, Slot b) {
    const int64_t x = read_kept(side, a).expiry_ms, y = read_kept(side, b).expiry_ms;
    return x != y ? x < y : side.rows.rows().hash(a) < side.rows.rows().hash(b);
  });
}

/// Tells those of the rows that stayed without a partner, unless they were told already.
Result<> JoinOperator::tell_unmatched(uint32_t input, const std::vector<Slot>& rows, Emitter& out) {
  Side& side = sides_[input];
  if (!side.alone) return {};
  std::vector<Slot> alone;
  for (Slot row : rows)
    if (!read_kept(side, row).told && wanted_alone(read_kept(side, row).partners)) alone.push_back(row);
  HEADRACE_TRY(tell_alone(input, alone, std::vector<int32_t>(alone.size(), 1), out));
  for (Slot row : alone) kept(side, row).told = 1;
  return {};
}

void JoinOperator::let_go(Side& side, const std::vector<Slot>& rows) {
  for (Slot row : rows) {
    const Slot group = side.rows.group_of(row);
    side.rows.erase(row);
    if (side.rows.rows_in(group) == 0) side.rows.erase_group(group);
  }
}

Result<> JoinOperator::on_watermark(EventTime time, Emitter& out) {
  if (time <= closed_) return {};
  for (uint32_t input = 0; input < 2; ++input) {
    Side& side = sides_[input];
    std::vector<Slot> gone;
    while (!side.due.empty() && side.due.front().expiry_ms <= time.ms) {
      const Slot row = side.due.front().row;
      std::pop_heap(side.due.begin(), side.due.end());
      side.due.pop_back();
      // A row that was taken back left its entry behind; its place may hold another row by now.
      if (side.rows.rows().is_used(row) && read_kept(side, row).expiry_ms <= time.ms) gone.push_back(row);
    }
    sort_by_expiry(side, gone);
    HEADRACE_TRY(tell_unmatched(input, gone, out));
    let_go(side, gone);
  }
  closed_ = time;
  return {};
}

/// Pairs are told at once: only rows without a partner wait, where those are told when they expire.
std::vector<Slot> JoinOperator::waiting(const Side& side) const {
  std::vector<Slot> out;
  if (!side.alone || !side.plan.expiry || node_.join == JoinKind::semi) return out;
  for (Slot row : side.rows.rows().slots())
    if (read_kept(side, row).partners == 0 && !read_kept(side, row).told) out.push_back(row);
  return out;
}

/// Rows that wait are told. They go, so that no later row finds them, unless they may be taken back themselves; all
/// others stay for partners of a later run.
Result<EventTime> JoinOperator::on_time_end(Emitter& out) {
  if (std::exchange(nothing_waits_, true)) return EventTime::min();
  for (uint32_t input = 0; input < 2; ++input) {
    Side& side = sides_[input];
    std::vector<Slot> rows = waiting(side);
    sort_by_expiry(side, rows);
    HEADRACE_TRY(tell_unmatched(input, rows, out));
    if (!side.changes) let_go(side, rows);
  }
  return EventTime::min();
}

Result<> JoinOperator::tell_waiting(WaitingReport& report) {
  for (const Side& side : sides_) {
    const std::vector<Slot> rows = waiting(side);
    int64_t first = INT64_MAX;
    for (Slot row : rows) first = std::min(first, read_kept(side, row).expiry_ms);
    tell_rows(report, static_cast<int64_t>(rows.size()), first);
  }
  return {};
}

std::vector<Table*> JoinOperator::tables() {
  std::vector<Table*> out;
  for (Side& side : sides_)
    for (Table* table : side.rows.tables()) out.push_back(table);
  return out;
}

Result<> JoinOperator::restored(EventTime watermark) {
  closed_ = watermark;
  for (Side& side : sides_) {
    side.rows.restored();
    side.touched.clear();
    side.due.clear();
    if (!side.plan.expiry) continue;
    for (Slot row : side.rows.rows().slots()) side.due.push_back({read_kept(side, row).expiry_ms, row});
    std::make_heap(side.due.begin(), side.due.end());
  }
  return {};
}

}  // namespace headrace
