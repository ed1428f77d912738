#include "ops/folded.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "duck/lists.h"
#include "udf/call_each.h"

namespace headrace {
namespace {

using duckdb::FlatVector;
using duckdb::StructVector;

}  // namespace

/// Rows to be added: `order` are rows of the remembered ones, those of group i end at ends[i].
struct Folded::Work {
  std::vector<Slot> groups;
  std::vector<uint32_t> order, ends;

  uint32_t begin(size_t group) const { return group == 0 ? 0 : ends[group - 1]; }
  /// Groups [first, first + count) of this.
  Work part(size_t first, size_t count) const {
    Work out;
    out.groups.assign(groups.begin() + static_cast<long>(first), groups.begin() + static_cast<long>(first + count));
    out.order.assign(order.begin() + begin(first), order.begin() + ends[first + count - 1]);
    for (size_t i = first; i < first + count; ++i) out.ends.push_back(ends[i] - begin(first));
    return out;
  }
};

Folded::Folded(const Aggregate& aggregate, const std::vector<Field>& key)
    : function_(aggregate.function),
      arguments_(aggregate.arguments),
      types_(call_types(function_.description())),
      key_columns_(key.size()) {
  const FunctionDescription& function = function_.description();
  for (const Field& field : function.state) columns_.push_back(field.type);
  columns_.push_back(function.result);
  std::vector<Field> fields = key;
  fields.insert(fields.end(), function.arguments.begin(), function.arguments.end());
  rows_schema_ = std::make_shared<Schema>(std::move(fields));
  rows_.Initialize(duckdb::Allocator::DefaultAllocator(), rows_schema_->types());
}

void Folded::update(const Slot* slots, Batch& batch, DataChunk& keys, const std::vector<uint32_t>& rows) {
  DataChunk all;
  all.InitializeEmpty(rows_.GetTypes());
  for (size_t i = 0; i < key_columns_; ++i) all.data[i].Reference(keys.data[i]);
  for (size_t i = 0; i < arguments_.size(); ++i) all.data[key_columns_ + i].Reference(batch.chunk.data[arguments_[i]]);
  all.SetCardinality(batch.chunk.size());
  std::vector<uint32_t> taken;  // A row with a diff of 2 is added twice.
  for (uint32_t row : rows) {
    const int32_t diff = batch.diff(row);
    taken.insert(taken.end(), static_cast<size_t>(std::abs(diff)), row);
    slots_.insert(slots_.end(), static_cast<size_t>(std::abs(diff)), slots[row]);
    back_.insert(back_.end(), static_cast<size_t>(std::abs(diff)), diff < 0);
  }
  if (taken.empty()) return;
  duckdb::SelectionVector selection(taken.data());
  rows_.Append(all, true, &selection, taken.size());
}

bool Folded::has_state(const Table& groups, Slot slot) const {
  return *reinterpret_cast<const int64_t*>(groups.read_plain(slot) + flag_offset_) != 0;
}

/// One list of states per row, of those of its slots that have one.
void Folded::gather_states(const Table& groups, const std::vector<Slot>& slots, const std::vector<uint32_t>& ends,
                           Vector& out) const {
  std::vector<const char*> held;
  std::vector<uint32_t> held_ends;
  for (size_t row = 0, slot = 0; row < ends.size(); ++row) {
    for (; slot < ends[row]; ++slot)
      if (has_state(groups, slots[slot])) held.push_back(groups.address(slots[slot]));
    held_ends.push_back(static_cast<uint32_t>(held.size()));
  }
  Vector states(duckdb::ListType::GetChildType(out.GetType()), std::max<size_t>(held.size(), 1));
  auto& fields = StructVector::GetEntries(states);
  const size_t first = groups.layout().key_columns + first_value_;
  for (size_t i = 0; i < fields.size(); ++i)
    gather_column(groups.layout(), first + i, held.data(), held.size(), *fields[i]);
  std::vector<uint32_t> order(held.size());
  std::iota(order.begin(), order.end(), 0);
  make_lists(states, order, held_ends, out);
}

Result<> Folded::fold(Table& groups, const Work& work, const OnRejected& on_rejected) {
  const size_t count = work.groups.size();
  std::vector<uint32_t> own(count);
  std::iota(own.begin(), own.end(), 1);
  DataChunk call;
  call.Initialize(duckdb::Allocator::DefaultAllocator(), {types_.arguments.begin(), types_.arguments.end()}, count);
  gather_states(groups, work.groups, own, call.data[0]);
  for (size_t i = 0; i < arguments_.size(); ++i)
    make_lists(rows_.data[key_columns_ + i], work.order, work.ends, call.data[1 + i]);
  Vector back(LogicalType::BOOLEAN, reinterpret_cast<duckdb::data_ptr_t>(back_.data()));
  make_lists(back, work.order, work.ends, call.data.back());
  call.SetCardinality(count);
  Vector result(types_.result, count);
  if (Result<> done = function_.call(call, result); !done) {
    if (!is_failure_of_function(done.error()) || function_.description().on_error == OnError::fail) return done;
    return split(groups, work, done.error(), on_rejected);
  }
  keep(groups, work.groups, result);
  return {};
}

void Folded::keep(Table& groups, const std::vector<Slot>& slots, Vector& result) {
  auto& parts = StructVector::GetEntries(result);
  auto& states = StructVector::GetEntries(*parts[0]);
  for (size_t i = 0; i < states.size(); ++i) groups.set_value(first_value_ + i, slots.data(), slots.size(), *states[i]);
  groups.set_value(first_value_ + states.size(), slots.data(), slots.size(), *parts[1]);
  for (Slot slot : slots) *reinterpret_cast<int64_t*>(groups.plain(slot) + flag_offset_) = 1;
}

/// Adds in halves what could not be added at once: first by group, then a group's rows in their order.
Result<> Folded::split(Table& groups, const Work& work, const Error& reason, const OnRejected& on_rejected) {
  if (const size_t count = work.groups.size(); count > 1) {
    HEADRACE_TRY(fold(groups, work.part(0, count / 2), on_rejected));
    return fold(groups, work.part(count / 2, count - count / 2), on_rejected);
  }
  const size_t rows = work.order.size();
  if (rows > 1) {
    Work half{work.groups, {work.order.begin(), work.order.begin() + static_cast<long>(rows / 2)}, {}};
    half.ends = {static_cast<uint32_t>(half.order.size())};
    HEADRACE_TRY(fold(groups, half, on_rejected));
    half.order.assign(work.order.begin() + static_cast<long>(rows / 2), work.order.end());
    half.ends = {static_cast<uint32_t>(half.order.size())};
    return fold(groups, half, on_rejected);
  }
  if (function_.description().on_error == OnError::null) return {};
  Batch rejected = Batch::make(rows_schema_, 1);
  const uint32_t row = work.order[0];
  for (size_t i = 0; i < rows_.ColumnCount(); ++i)
    duckdb::VectorOperations::Copy(rows_.data[i], rejected.chunk.data[i], row + 1, row, 0);
  rejected.chunk.SetCardinality(1);
  on_rejected(rejected, 0, reason);
  return {};
}

Result<> Folded::settle(Table& groups, const OnRejected& on_rejected) {
  if (slots_.empty()) return {};
  // Rows by group, groups in order of their first row, the rows of each in order of arrival.
  Work work;
  std::unordered_map<Slot, uint32_t> numbers;
  std::vector<uint32_t> group_of(slots_.size());
  for (size_t row = 0; row < slots_.size(); ++row) {
    auto [found, fresh] = numbers.emplace(slots_[row], static_cast<uint32_t>(work.groups.size()));
    if (fresh) {
      work.groups.push_back(slots_[row]);
      work.ends.push_back(0);
    }
    group_of[row] = found->second;
    ++work.ends[found->second];
  }
  std::partial_sum(work.ends.begin(), work.ends.end(), work.ends.begin());
  std::vector<uint32_t> next(work.groups.size());
  for (size_t i = 1; i < next.size(); ++i) next[i] = work.ends[i - 1];
  work.order.resize(slots_.size());
  for (uint32_t row = 0; row < group_of.size(); ++row) work.order[next[group_of[row]]++] = row;
  Result<> done = fold(groups, work, on_rejected);
  rows_.Reset();
  slots_.clear();
  back_.clear();
  return done;
}

void Folded::fill_merge(const Table& groups, const std::vector<Slot>& slots, const std::vector<uint32_t>& ends,
                        DataChunk& call) const {
  call.Initialize(duckdb::Allocator::DefaultAllocator(), {types_.arguments.begin(), types_.arguments.end()},
                  ends.size());
  gather_states(groups, slots, ends, call.data[0]);
  const std::vector<uint32_t> no_rows(ends.size(), 0);
  for (size_t i = 0; i < arguments_.size(); ++i)
    make_lists(rows_.data[key_columns_ + i], {}, no_rows, call.data[1 + i]);
  make_lists(Vector(LogicalType::BOOLEAN), {}, no_rows, call.data.back());
  call.SetCardinality(ends.size());
}

Result<> Folded::merge(Table& groups, Slot into, Slot from) {
  std::replace(slots_.begin(), slots_.end(), from, into);
  if (!has_state(groups, from)) return {};
  DataChunk call;
  fill_merge(groups, {into, from}, {2}, call);
  Vector result(types_.result, 1);
  HEADRACE_TRY(function_.call(call, result));
  keep(groups, {into}, result);
  return {};
}

Result<> Folded::result(const Table& groups, const std::vector<Slot>& slots, const std::vector<uint32_t>& ends,
                        Vector& out, const std::function<void(size_t row, const Error& reason)>& on_failed) const {
  const size_t value = groups.layout().key_columns + first_value_ + columns_.size() - 1;
  const bool single = slots.size() == ends.size();
  if (single) {  // A group without a state never had a value set: it is NULL.
    groups.gather(value, slots.data(), slots.size(), out);
    return {};
  }
  DataChunk call;
  fill_merge(groups, slots, ends, call);
  Vector results(types_.result, ends.size());
  HEADRACE_TRY(call_each(function_, call, results, on_failed));
  out.Reference(*StructVector::GetEntries(results)[1]);
  return {};
}

}  // namespace headrace
