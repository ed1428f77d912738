#include "ops/process.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "duck/lists.h"
#include "ops/keys.h"
#include "udf/call_each.h"

namespace headrace {
namespace {

using duckdb::FlatVector;
using duckdb::ListVector;
using duckdb::StructVector;

constexpr int64_t no_timer = INT64_MAX;

int64_t microseconds(int64_t ms) {
  if (ms >= INT64_MAX / 1000) return INT64_MAX;
  return ms <= INT64_MIN / 1000 ? INT64_MIN : ms * 1000;
}

Schema rows_of(const ProcessNode& node) {
  return Schema(node.function.description().rows);
}

TableSpec keys_spec(const ProcessNode& node) {
  TableSpec out;
  out.name = "keys";
  const std::vector<Field>& rows = node.function.description().rows;
  for (size_t column : node.key) out.key.push_back(rows[column].type);
  for (const Field& field : node.function.description().state) out.values.push_back(field.type);
  out.values.push_back(timers_type());
  out.plain_bytes = sizeof(int64_t);  // The next timer, in us.
  return out;
}

}  // namespace

/// What one call does: groups of rows; `order` are rows of this tick, those of group i end at ends[i].
struct ProcessOperator::Work {
  std::vector<Slot> groups;
  std::vector<uint32_t> order, ends;
  std::vector<int64_t> watermarks_us;  ///< Behind the rows of each group.
  bool last = true;                    ///< Nothing of this tick follows for these groups.

  uint32_t begin(size_t group) const { return group == 0 ? 0 : ends[group - 1]; }
  Work part(size_t first, size_t count) const {
    Work out;
    out.last = last;
    auto take = [&](auto& from, auto& to) {
      to.assign(from.begin() + static_cast<long>(first), from.begin() + static_cast<long>(first + count));
    };
    take(groups, out.groups);
    take(watermarks_us, out.watermarks_us);
    out.order.assign(order.begin() + begin(first), order.begin() + ends[first + count - 1]);
    for (size_t i = first; i < first + count; ++i) out.ends.push_back(ends[i] - begin(first));
    return out;
  }
  /// Of one group: its rows [from, to), and what of the watermark behind them is to be minded.
  Work rows(size_t from, size_t to, int64_t watermark_us, bool and_last) const {
    return {groups,
            {order.begin() + static_cast<long>(from), order.begin() + static_cast<long>(to)},
            {static_cast<uint32_t>(to - from)},
            {watermark_us},
            last && and_last};
  }
};

ProcessOperator::ProcessOperator(const ProcessNode& node)
    : function_(node.function),
      key_(node.key),
      types_(call_types(node.function.description())),
      row_schema_(std::make_shared<Schema>(rows_of(node))),
      schema_(node.output.schema()),
      state_columns_(node.function.description().state.size()),
      table_(keys_spec(node)) {
  rows_.Initialize(duckdb::Allocator::DefaultAllocator(), row_schema_->types());
}

Result<> ProcessOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  const size_t count = static_cast<size_t>(batch.rows());
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  take_keys(batch, key_, keys, hashes);
  Slot slots[STANDARD_VECTOR_SIZE];
  uint8_t created[STANDARD_VECTOR_SIZE];
  table_.find_or_create(keys, hashes, count, slots, created);
  for (size_t row = 0; row < count; ++row) {
    if (created[row]) *reinterpret_cast<int64_t*>(table_.plain(slots[row])) = no_timer;
    stamps_us_.push_back(batch.stamps_ms.empty() ? INT64_MIN : microseconds(batch.stamps_ms[row]));
  }
  slots_.insert(slots_.end(), slots, slots + count);
  rows_.Append(batch.chunk, true);
  out.counters.passed += batch.rows();
  return {};
}

Result<> ProcessOperator::on_watermark(EventTime time, Emitter&) {
  watermark_us_ = std::max(watermark_us_, microseconds(time.ms));
  return {};
}

int64_t ProcessOperator::next_timer(Slot slot) const {
  return *reinterpret_cast<const int64_t*>(table_.read_plain(slot));
}

void ProcessOperator::note_timer(Slot slot, int64_t next_us) {
  const int64_t before = next_timer(slot);
  if (before == next_us) return;
  if (before != no_timer) due_.erase({before, slot});
  if (next_us != no_timer) due_.insert({next_us, slot});
  *reinterpret_cast<int64_t*>(table_.plain(slot)) = next_us;
}

/// The keys with rows or timers due, in order of their hashes, which depends neither on arrival nor on the number of
/// shards; the rows of each in order of arrival.
ProcessOperator::Work ProcessOperator::gather_work() {
  Work work;
  std::vector<std::pair<uint64_t, Slot>> hashed;
  auto add = [&](Slot slot) {
    if (slot >= groups_by_slot_.size()) groups_by_slot_.resize(std::max<size_t>(slot + 1, 2 * groups_by_slot_.size()));
    if (std::exchange(groups_by_slot_[slot], 1) == 0) hashed.emplace_back(table_.hash(slot), slot);
  };
  for (Slot slot : slots_) add(slot);
  for (auto at = due_.begin(); at != due_.end() && at->first <= watermark_us_; ++at) add(at->second);
  std::sort(hashed.begin(), hashed.end());
  for (const auto& [hash, slot] : hashed) {
    groups_by_slot_[slot] = static_cast<uint32_t>(work.groups.size());
    work.groups.push_back(slot);
  }
  work.ends.resize(work.groups.size());
  work.watermarks_us.assign(work.groups.size(), watermark_us_);
  for (Slot slot : slots_) ++work.ends[groups_by_slot_[slot]];
  std::partial_sum(work.ends.begin(), work.ends.end(), work.ends.begin());
  std::vector<uint32_t> next(work.groups.size());
  for (size_t i = 1; i < next.size(); ++i) next[i] = work.ends[i - 1];
  work.order.resize(slots_.size());
  for (uint32_t row = 0; row < slots_.size(); ++row) work.order[next[groups_by_slot_[slots_[row]]]++] = row;
  for (Slot slot : work.groups) groups_by_slot_[slot] = 0;
  return work;
}

Result<> ProcessOperator::on_tick_end(const TickInfo&, Emitter& out) {
  const Work work = gather_work();
  Result<> done = work.groups.empty() ? Result<>{} : run(work, out);
  rows_.Reset();
  stamps_us_.clear();
  slots_.clear();
  return done;
}

void ProcessOperator::fill_call(const Work& work, DataChunk& call) {
  const size_t count = work.groups.size();
  call.Initialize(duckdb::Allocator::DefaultAllocator(), {types_.arguments.begin(), types_.arguments.end()}, count);
  std::vector<const char*> held;
  for (Slot slot : work.groups) held.push_back(table_.address(slot));
  const RowLayout& layout = table_.layout();
  size_t column = 0;
  for (; column < key_.size(); ++column) gather_column(layout, column, held.data(), count, call.data[column]);
  auto& states = StructVector::GetEntries(call.data[column]);
  for (size_t i = 0; i < state_columns_; ++i) gather_column(layout, key_.size() + i, held.data(), count, *states[i]);
  gather_column(layout, key_.size() + state_columns_, held.data(), count, call.data[++column]);
  Vector structs(duckdb::ListType::GetChildType(types_.arguments[++column]), std::max<size_t>(slots_.size(), 1));
  auto& fields = StructVector::GetEntries(structs);
  for (size_t i = 0; i < fields.size(); ++i) fields[i]->Reference(rows_.data[i]);
  make_lists(structs, work.order, work.ends, call.data[column]);
  Vector stamps(LogicalType::BIGINT, reinterpret_cast<duckdb::data_ptr_t>(stamps_us_.data()));
  make_lists(stamps, work.order, work.ends, call.data[++column]);
  std::copy(work.watermarks_us.begin(), work.watermarks_us.end(), FlatVector::GetData<int64_t>(call.data[++column]));
  call.SetCardinality(count);
}

/// Lets a key go that has neither state nor a timer.
void ProcessOperator::forget_unused(Slot slot) {
  if (next_timer(slot) != no_timer) return;
  for (size_t i = 0; i < state_columns_; ++i) {
    Vector value(table_.spec().values[i], 1);
    table_.gather(key_.size() + i, &slot, 1, value);
    if (!value.GetValue(0).IsNull()) return;
  }
  table_.erase(slot);
}

Result<> ProcessOperator::run(const Work& work, Emitter& out) {
  if (work.order.empty() && work.groups.size() == 1 && next_timer(work.groups[0]) > work.watermarks_us[0]) {
    if (work.last) forget_unused(work.groups[0]);  // What is left of a key whose rows were halved.
    return {};
  }
  DataChunk call;
  fill_call(work, call);
  Vector result(types_.result, work.groups.size());
  Result<> done = function_.call(call, result);
  if (done) return take_result(work, result, out);
  if (!is_failure_of_function(done.error()) || function_.description().on_error == OnError::fail) return done;
  return split(work, done.error(), out);
}

/// Runs in pieces what failed as a whole: by key, then a key's rows in their order, then a row behind its timers.
Result<> ProcessOperator::split(const Work& work, const Error& reason, Emitter& out) {
  if (const size_t count = work.groups.size(); count > 1) {
    HEADRACE_TRY(run(work.part(0, count / 2), out));
    return run(work.part(count / 2, count - count / 2), out);
  }
  const size_t rows = work.order.size();
  const int64_t watermark = work.watermarks_us[0];
  if (rows > 1) {
    HEADRACE_TRY(run(work.rows(0, rows / 2, INT64_MIN, false), out));
    return run(work.rows(rows / 2, rows, watermark, true), out);
  }
  if (rows == 0) return drop_timer(work, reason, out);
  const int64_t stamp = stamps_us_[work.order[0]];
  if (next_timer(work.groups[0]) <= stamp) {
    HEADRACE_TRY(run(work.rows(0, 0, stamp, false), out));
    return run(work, out);
  }
  if (watermark != INT64_MIN || work.last) {  // The row alone, without the timers behind it.
    HEADRACE_TRY(run(work.rows(0, 1, INT64_MIN, false), out));
    return run(work.rows(0, 0, watermark, true), out);
  }
  reject_row(work.order[0], reason, out);
  return {};
}

void ProcessOperator::reject_row(uint32_t row, const Error& reason, Emitter& out) {
  --out.counters.passed;
  ++out.counters.quarantined;
  if (function_.description().on_error == OnError::null) return;
  Batch rejected = Batch::make(row_schema_, 1);
  for (size_t i = 0; i < rows_.ColumnCount(); ++i)
    duckdb::VectorOperations::Copy(rows_.data[i], rejected.chunk.data[i], row + 1, row, 0);
  rejected.chunk.SetCardinality(1);
  out.reject(rejected, 0, reason);
}

/// The first timer of a key makes the function fail: it is given up, and stands in the quarantine with its key.
Result<> ProcessOperator::drop_timer(const Work& work, const Error& reason, Emitter& out) {
  const Slot slot = work.groups[0];
  Vector timers(timers_type());
  table_.gather(key_.size() + state_columns_, &slot, 1, timers);
  duckdb::vector<duckdb::Value> left = duckdb::ListValue::GetChildren(timers.GetValue(0));
  const duckdb::Value dropped = left[0];
  left.erase(left.begin());
  Vector rest(duckdb::Value::LIST(duckdb::ListType::GetChildType(timers_type()), left));
  table_.set_value(state_columns_, &slot, 1, rest);
  note_timer(slot, left.empty() ? no_timer : duckdb::StructValue::GetChildren(left[0])[0].GetValue<int64_t>());
  if (function_.description().on_error != OnError::null) {
    std::vector<Field> fields;
    for (size_t column : key_) fields.push_back((*row_schema_)[column]);
    fields.push_back({"timer", duckdb::ListType::GetChildType(timers_type())});
    Batch rejected = Batch::make(std::make_shared<Schema>(std::move(fields)), 1);
    for (size_t i = 0; i < key_.size(); ++i) table_.gather(i, &slot, 1, rejected.chunk.data[i]);
    rejected.chunk.SetValue(key_.size(), 0, dropped);
    rejected.chunk.SetCardinality(1);
    out.reject(rejected, 0, reason);
  }
  return run(work, out);
}

Result<> ProcessOperator::take_result(const Work& work, Vector& result, Emitter& out) {
  const size_t count = work.groups.size();
  auto& parts = StructVector::GetEntries(result);
  auto& states = StructVector::GetEntries(*parts[0]);
  for (size_t i = 0; i < state_columns_; ++i) table_.set_value(i, work.groups.data(), count, *states[i]);
  table_.set_value(state_columns_, work.groups.data(), count, *parts[1]);
  const auto* timers = FlatVector::GetData<duckdb::list_entry_t>(*parts[1]);
  const auto* times = FlatVector::GetData<int64_t>(*StructVector::GetEntries(ListVector::GetEntry(*parts[1]))[0]);
  for (size_t i = 0; i < count; ++i)
    note_timer(work.groups[i], timers[i].length == 0 ? no_timer : times[timers[i].offset]);
  HEADRACE_TRY(emit(*parts[2], count, out));
  for (size_t i = 0; i < count; ++i) {
    bool kept = timers[i].length > 0;
    for (size_t column = 0; column < state_columns_ && !kept; ++column)
      kept = FlatVector::Validity(*states[column]).RowIsValid(i);
    if (!kept && work.last) table_.erase(work.groups[i]);
  }
  return {};
}

/// Emits the rows of all lists, in their order.
Result<> ProcessOperator::emit(Vector& lists, size_t count, Emitter& out) {
  const auto* entries = FlatVector::GetData<duckdb::list_entry_t>(lists);
  std::vector<uint32_t> items;
  for (size_t i = 0; i < count; ++i)
    for (uint64_t k = 0; k < entries[i].length; ++k) items.push_back(static_cast<uint32_t>(entries[i].offset + k));
  auto& fields = StructVector::GetEntries(ListVector::GetEntry(lists));
  for (size_t at = 0; at < items.size(); at += rows_per_batch) {
    const size_t rows = std::min<size_t>(rows_per_batch, items.size() - at);
    duckdb::SelectionVector selection(rows);
    for (size_t i = 0; i < rows; ++i) selection.set_index(i, items[at + i]);
    Batch batch;
    batch.schema = schema_;
    batch.chunk.InitializeEmpty(schema_->types());
    for (size_t i = 0; i < fields.size(); ++i) batch.chunk.data[i].Slice(*fields[i], selection, rows);
    batch.chunk.SetCardinality(rows);
    HEADRACE_TRY(out.emit(std::move(batch), 0));
  }
  return {};
}

Result<> ProcessOperator::restored(EventTime watermark) {
  watermark_us_ = microseconds(watermark.ms);
  due_.clear();
  for (Slot slot : table_.slots())
    if (next_timer(slot) != no_timer) due_.insert({next_timer(slot), slot});
  return {};
}

}  // namespace headrace
