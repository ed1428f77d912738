#include "ops/alert.h"

#include <algorithm>
#include <numeric>

#include "duck/rows.h"
#include "ops/failing.h"
#include "ops/keys.h"
#include "ops/times.h"

namespace headrace {
namespace {

std::vector<size_t> identity_of(const Output& output) {
  if (output.changelog != Changelog::append && !output.key.empty()) return output.key;
  std::vector<size_t> all(output.columns.size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

std::vector<size_t> others(const Output& output, const std::vector<size_t>& identity) {
  std::vector<size_t> out;
  for (size_t column = 0; column < output.columns.size(); ++column)
    if (std::find(identity.begin(), identity.end(), column) == identity.end()) out.push_back(column);
  return out;
}

TableSpec rows_spec(const Output& output, size_t plain_bytes) {
  const std::vector<size_t> identity = identity_of(output);
  TableSpec out;
  out.name = "rows";
  for (size_t column : identity) out.key.push_back(output.columns[column].type);
  for (size_t column : others(output, identity)) out.values.push_back(output.columns[column].type);
  out.plain_bytes = plain_bytes;
  return out;
}

}  // namespace

AlertOperator::AlertOperator(const AlertNode& node, const OperatorContext& context)
    : node_(node),
      schema_(node.output.schema()),
      condition_(context.evaluation, {node.condition}, failing_of(node)),
      identity_(identity_of(node.output)),
      rest_(others(node.output, identity_)),
      time_column_(node.output.watermark ? node.output.time_column() : std::nullopt),
      table_(rows_spec(node.output, sizeof(Plain))) {}

Result<> AlertOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  std::vector<uint32_t> rows;
  int64_t rejected = 0;
  HEADRACE_TRY(condition_.select(batch, rows, [&](uint32_t row, const Error& reason) {
    out.reject(batch, row, reason);
    ++rejected;
  }));
  out.counters.quarantined += rejected;
  out.counters.passed += static_cast<int64_t>(rows.size());
  out.counters.filtered += batch.rows() - static_cast<int64_t>(rows.size()) - rejected;
  if (rows.empty()) return {};
  Batch held = batch.slice(rows);
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  Slot slots[STANDARD_VECTOR_SIZE];
  uint8_t created[STANDARD_VECTOR_SIZE];
  take_keys(held, identity_, keys, hashes);
  table_.find_or_create(keys, hashes, rows.size(), slots, created);
  for (size_t row = 0; row < rows.size(); ++row) {
    reinterpret_cast<Plain*>(table_.plain(slots[row]))->copies += held.diff(static_cast<int64_t>(row));
    due_[slots[row]] = true;
  }
  keep_values(held, slots);
  return {};
}

/// The columns beside the key are those of the row that came last.
void AlertOperator::keep_values(const Batch& held, const Slot* slots) {
  if (rest_.empty()) return;
  std::vector<uint32_t> inserted;
  std::vector<Slot> places;
  for (uint32_t row = 0; row < held.rows(); ++row) {
    if (held.diff(row) < 0) continue;
    inserted.push_back(row);
    places.push_back(slots[row]);
  }
  Batch values = held.slice(inserted);
  for (size_t i = 0; i < rest_.size(); ++i)
    table_.set_value(i, places.data(), places.size(), values.chunk.data[rest_[i]]);
}

Result<> AlertOperator::on_watermark(EventTime watermark, Emitter&) {
  watermark_ = watermark;
  return {};
}

Result<> AlertOperator::restored(EventTime) {
  for (Slot slot : table_.slots()) due_[slot] = true;
  return {};
}

std::shared_ptr<Batch> AlertOperator::row_of(Slot slot) const {
  auto row = std::make_shared<Batch>(Batch::make(schema_, 1));
  for (size_t i = 0; i < identity_.size(); ++i) table_.gather(i, &slot, 1, row->chunk.data[identity_[i]]);
  for (size_t i = 0; i < rest_.size(); ++i) table_.gather(identity_.size() + i, &slot, 1, row->chunk.data[rest_[i]]);
  row->chunk.SetCardinality(1);
  return row;
}

bool AlertOperator::has_held_long(const Plain& plain, const TickInfo& tick) const {
  if (node_.for_ms == 0) return true;
  if (time_column_) return plain.since_us / 1000 + node_.for_ms <= watermark_.ms;
  return tick.now_us - plain.since_us >= node_.for_ms * 1000;
}

AlertInstance AlertOperator::instance_of(Slot slot) const {
  const Plain& plain = *reinterpret_cast<const Plain*>(table_.read_plain(slot));
  return {table_.hash(slot), row_of(slot),   static_cast<AlertState>(plain.state),
          plain.since_us,    plain.fired_us, plain.resolved_us};
}

bool AlertOperator::waits_for_clock() const {
  return std::any_of(due_.begin(), due_.end(), [this](const auto& due) {
    const Plain& plain = *reinterpret_cast<const Plain*>(table_.read_plain(due.first));
    return !time_column_ || plain.state == static_cast<int64_t>(AlertState::resolved);
  });
}

bool AlertOperator::move(Plain& plain, Slot slot, const TickInfo& tick) const {
  const bool holds = plain.copies > 0;
  const auto become = [&](AlertState state) { plain.state = static_cast<int64_t>(state); };
  if (holds && (plain.state == 0 || plain.state == static_cast<int64_t>(AlertState::resolved))) {
    std::vector<int64_t> times;
    if (time_column_) read_times(*row_of(slot), *time_column_, times);
    become(AlertState::pending);
    plain.since_us = !time_column_ ? tick.now_us : times[0] == no_time ? 0 : times[0] * 1000;
  }
  if (holds && plain.state == static_cast<int64_t>(AlertState::pending) && has_held_long(plain, tick)) {
    become(AlertState::firing);
    plain.fired_us = tick.now_us;
    return true;
  }
  if (!holds && plain.state == static_cast<int64_t>(AlertState::firing)) {
    become(AlertState::resolved);
    plain.resolved_us = tick.now_us;
    return true;
  }
  return false;
}

Result<> AlertOperator::on_tick_end(const TickInfo& tick, Emitter&) {
  for (const auto& [slot, came] : std::exchange(due_, {})) {
    Plain& plain = *reinterpret_cast<Plain*>(table_.plain(slot));
    const int64_t before = plain.state;
    const bool event = move(plain, slot, tick);
    if (plain.copies <= 0 && !event) {
      table_.erase(slot);
      changes_.push_back({slot, std::nullopt, false});
      continue;
    }
    if (plain.state != static_cast<int64_t>(AlertState::firing)) due_[slot] = false;
    if (came || plain.state != before) changes_.push_back({slot, instance_of(slot), event});
  }
  return {};
}

}  // namespace headrace
