#include "ops/aggregate.h"

#include <algorithm>

#include "duck/rows.h"
#include "ops/keys.h"

namespace headrace {
namespace {

/// The columns of the groups' key; without groups one constant column (ops/keys.h).
std::vector<Field> key_of(const AggregateNode& node) {
  std::vector<Field> out;
  for (size_t i = 0; i < node.groups.size(); ++i)
    out.push_back({node.output.columns[i].name, node.output.columns[i].type});
  if (out.empty()) out.push_back({"all_rows", LogicalType::BOOLEAN});
  return out;
}

TableSpec groups_spec(const AggregateNode& node, Accumulators& accumulators) {
  TableSpec out;
  out.name = "groups";
  for (const Field& field : key_of(node)) {
    out.key.push_back(field.type);
    out.names.push_back(field.name);
  }
  for (const Aggregate& aggregate : node.aggregates) out.values.push_back(aggregate.type);
  accumulators.add_columns(out);
  out.plain_bytes = accumulators.plain_bytes() + 8;
  return out;
}

/// The output columns that the aggregates fill.
std::vector<size_t> result_columns(const AggregateNode& node) {
  std::vector<size_t> out;
  for (size_t i = 0; i < node.aggregates.size(); ++i) out.push_back(node.groups.size() + i);
  return out;
}

}  // namespace

AggregateOperator::AggregateOperator(const AggregateNode& node, const OperatorContext& context)
    : groups_(node.groups),
      aggregates_count_(node.aggregates.size()),
      schema_(node.output.schema()),
      shard_(context.shard),
      accumulators_(node.aggregates, key_of(node), context),
      table_(groups_spec(node, accumulators_)),
      told_(accumulators_.plain_bytes(), result_columns(node), schema_),
      pace_(node.emit_every_ms) {}

void AggregateOperator::make_only_group() {
  DataChunk key;
  key.Initialize(duckdb::Allocator::DefaultAllocator(), {LogicalType::BOOLEAN});
  key.SetValue(0, 0, duckdb::Value::BOOLEAN(true));
  key.SetCardinality(1);
  uint64_t hash = 0;
  Slot slot;
  uint8_t created;
  table_.find_or_create(key, &hash, 1, &slot, &created);
  told_.touch(table_, slot);
}

Result<> AggregateOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  const size_t rows = static_cast<size_t>(batch.rows());
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  take_keys(batch, groups_, keys, hashes);
  Slot slots[STANDARD_VECTOR_SIZE];
  uint8_t created[STANDARD_VECTOR_SIZE];
  table_.find_or_create(keys, hashes, rows, slots, created);
  accumulators_.update(table_, slots, batch, keys, out);
  for (size_t row = 0; row < rows; ++row) told_.touch(table_, slots[row]);
  return {};
}

Result<> AggregateOperator::on_tick_end(const TickInfo& tick, Emitter& out) {
  if (groups_.empty() && shard_ == 0 && table_.rows() == 0) make_only_group();
  HEADRACE_TRY(accumulators_.settle(table_, out));
  if (!told_.any_touched() || !pace_.is_due(tick)) return {};
  const std::vector<Slot> touched = told_.take_touched(table_);
  // Each slot may give two rows.
  for (size_t at = 0; at < touched.size(); at += rows_per_batch / 2)
    HEADRACE_TRY(tell(&touched[at], std::min<size_t>(rows_per_batch / 2, touched.size() - at), out));
  return {};
}

Result<> AggregateOperator::tell(const Slot* slots, size_t count, Emitter& out) {
  MergedSlots rows;
  std::vector<uint8_t> live;
  for (size_t i = 0; i < count; ++i) {
    rows.add(slots[i]);
    live.push_back(groups_.empty() || Accumulators::rows_of(table_, slots[i]) > 0);
  }
  DataChunk now;
  now.Initialize(duckdb::Allocator::DefaultAllocator(), schema_->types(), count);
  for (size_t i = 0; i < groups_.size(); ++i) table_.gather(i, slots, count, now.data[i]);
  for (size_t i = 0; i < aggregates_count_; ++i)
    HEADRACE_TRY(accumulators_.result(table_, i, rows, now.data[groups_.size() + i], out));
  now.SetCardinality(count);
  HEADRACE_TRY(told_.tell(table_, slots, live, now, std::nullopt, out));
  for (size_t i = 0; i < count; ++i) {
    if (live[i]) continue;
    accumulators_.erase(table_, slots[i]);
    table_.erase(slots[i]);
  }
  return {};
}

std::vector<Table*> AggregateOperator::tables() {
  std::vector<Table*> out{&table_};
  for (Table* bag : accumulators_.tables()) out.push_back(bag);
  return out;
}

Result<> AggregateOperator::restored(EventTime) {
  accumulators_.restored(table_);
  told_.restored(table_);
  return {};
}

}  // namespace headrace
