#include "ops/alert.h"

#include "duck/rows.h"

namespace headrace {
namespace {

TableSpec rows_spec(const AlertNode& node, size_t plain_bytes) {
  TableSpec out;
  out.name = "rows";
  for (const Column& column : node.output.columns) out.key.push_back(column.type);
  out.plain_bytes = plain_bytes;
  return out;
}

}  // namespace

AlertOperator::AlertOperator(const AlertNode& node, const OperatorContext& context)
    : node_(node), condition_(context.evaluation, {node.condition}), table_(rows_spec(node, sizeof(Plain))) {}

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
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  Slot slots[STANDARD_VECTOR_SIZE];
  uint8_t created[STANDARD_VECTOR_SIZE];
  hash_rows(held.chunk, hashes);
  table_.find_or_create(held.chunk, hashes, rows.size(), slots, created);
  for (size_t row = 0; row < rows.size(); ++row)
    reinterpret_cast<Plain*>(table_.plain(slots[row]))->copies += held.diff(static_cast<int64_t>(row));
  changed_ = true;
  return {};
}

Result<> AlertOperator::on_tick_end(const TickInfo& tick, Emitter&) {
  // Without rows that wait for their time, nothing can change but by a batch.
  if (!changed_) return {};
  changed_ = false;
  instances_.clear();
  const SchemaRef schema = node_.output.schema();
  for (Slot slot : table_.slots()) {
    Plain& plain = *reinterpret_cast<Plain*>(table_.plain(slot));
    const auto state = static_cast<AlertState>(plain.state);
    const bool holds = plain.copies > 0;
    bool event = false;
    if (holds && plain.state == 0) {
      plain.state = static_cast<int64_t>(AlertState::pending);
      plain.since_us = tick.now_us;
    }
    if (holds && static_cast<AlertState>(plain.state) == AlertState::pending &&
        tick.now_us - plain.since_us >= node_.for_ms * 1000) {
      plain.state = static_cast<int64_t>(AlertState::firing);
      plain.fired_us = tick.now_us;
      event = true;
    }
    if (!holds && state == AlertState::firing) {
      plain.state = static_cast<int64_t>(AlertState::resolved);
      plain.resolved_us = tick.now_us;
      event = true;
    } else if (!holds) {
      table_.erase(slot);
      continue;
    }
    auto row = std::make_shared<Batch>(Batch::make(schema));
    for (size_t column = 0; column < schema->size(); ++column) table_.gather(column, &slot, 1, row->chunk.data[column]);
    row->chunk.SetCardinality(1);
    AlertInstance instance{std::move(row), static_cast<AlertState>(plain.state), plain.since_us, plain.fired_us,
                           plain.resolved_us};
    if (event) events_.push_back(instance);
    instances_.push_back(std::move(instance));
    changed_ |= static_cast<AlertState>(plain.state) != AlertState::firing;
  }
  return {};
}

}  // namespace headrace
