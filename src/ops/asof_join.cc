#include "ops/asof_join.h"

#include <algorithm>
#include <numeric>

#include "duck/sort_key.h"
#include "ops/keys.h"
#include "ops/side_by_side.h"

namespace headrace {
namespace {

KeyedRows::Spec side_spec(const std::string& name, const Output& input, const std::vector<size_t>& keys) {
  KeyedRows::Spec out;
  out.name = name;
  for (const Column& column : input.columns) out.columns.push_back(column.type);
  out.key = keys;
  return out;
}

TableSpec keys_spec(const Table& groups) {
  TableSpec out;
  out.name = "touched";
  out.key = groups.spec().key;
  return out;
}

std::vector<Slot> rows_of(const KeyedRows& side, Slot group) {
  std::vector<Slot> out;
  if (group == missing_slot) return out;
  for (Slot row = side.first(group); row != missing_slot; row = side.next(row)) out.push_back(row);
  return out;
}

}  // namespace

StreamAsofJoinOperator::StreamAsofJoinOperator(const AsofJoinNode& node, const OperatorContext& context)
    : node_(node),
      schema_(node.output.schema()),
      left_width_(context.output_of(node.inputs[0]).columns.size()),
      sides_{KeyedRows(side_spec("left", context.output_of(node.inputs[0]), node.left_keys)),
             KeyedRows(side_spec("right", context.output_of(node.inputs[1]), node.right_keys))},
      orders_{node.left_order, node.right_order},
      touched_(keys_spec(sides_[0].groups())),
      changes_(schema_) {}

std::vector<std::string> StreamAsofJoinOperator::orders_of(uint32_t side, const std::vector<Slot>& rows) const {
  const LogicalType& type = sides_[side].rows().layout().types[orders_[side]];
  std::vector<std::string> out;
  for (size_t at = 0; at < rows.size(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, rows.size() - at);
    DataChunk values;
    values.Initialize(duckdb::Allocator::DefaultAllocator(), {type});
    sides_[side].gather(orders_[side], &rows[at], count, values.data[0]);
    values.SetCardinality(count);
    const SortKeys keys(values, {{}}, sort_key_width({type}));
    for (size_t i = 0; i < count; ++i)
      out.push_back(duckdb::FlatVector::IsNull(values.data[0], i) ? std::string() : std::string(keys[i]));
  }
  return out;
}

/// Rows without an order are near to nothing; their key is empty, and they are left out.
StreamAsofJoinOperator::Nearest StreamAsofJoinOperator::sorted(Slot group) const {
  const KeyedRows& side = sides_[1];
  const std::vector<Slot> rows = rows_of(side, group);
  const std::vector<std::string> orders = orders_of(1, rows);
  std::vector<std::string> whole;
  for (size_t at = 0; at < rows.size(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, rows.size() - at);
    DataChunk values;
    const std::vector<LogicalType>& types = side.rows().layout().types;
    values.Initialize(duckdb::Allocator::DefaultAllocator(), {types.begin(), types.end()});
    side.gather_all(&rows[at], count, values);
    const SortKeys keys(values, std::vector<SortDirection>(types.size()), sort_key_width(types));
    for (size_t i = 0; i < count; ++i) whole.emplace_back(keys[i]);
  }
  std::vector<size_t> places;
  for (size_t i = 0; i < rows.size(); ++i)
    if (!orders[i].empty()) places.push_back(i);
  std::sort(places.begin(), places.end(),
            [&](size_t a, size_t b) { return orders[a] != orders[b] ? orders[a] < orders[b] : whole[a] < whole[b]; });
  Nearest out;
  for (size_t place : places) {
    out.orders.push_back(orders[place]);
    out.rows.push_back(rows[place]);
  }
  return out;
}

Slot StreamAsofJoinOperator::nearest(const Nearest& rows, const std::string& order) const {
  if (order.empty()) return missing_slot;
  const auto begin = rows.orders.begin(), end = rows.orders.end();
  auto at = end;
  if (node_.comparison == Comparison::less_equal || node_.comparison == Comparison::less) {
    at = node_.comparison == Comparison::less_equal ? std::lower_bound(begin, end, order)
                                                    : std::upper_bound(begin, end, order);
  } else {
    at = node_.comparison == Comparison::greater_equal ? std::upper_bound(begin, end, order)
                                                       : std::lower_bound(begin, end, order);
    if (at == begin) return missing_slot;
    at = std::lower_bound(begin, end, *std::prev(at));
  }
  return at == end ? missing_slot : rows.rows[static_cast<size_t>(at - begin)];
}

/// Adds the pairs of one key to the changes, `diff` times.
void StreamAsofJoinOperator::answer(DataChunk& key, uint64_t hash, int32_t diff) {
  Slot groups[2];
  for (uint32_t side = 0; side < 2; ++side) sides_[side].find(key, &hash, 1, &groups[side]);
  forget_null_keys(key, 1, std::vector<bool>(key.ColumnCount()), &groups[1]);
  const std::vector<Slot> left = rows_of(sides_[0], groups[0]);
  if (left.empty()) return;
  const Nearest right = sorted(groups[1]);
  const std::vector<std::string> orders = orders_of(0, left);
  std::vector<Slot> rows, partners, alone;
  for (size_t i = 0; i < left.size(); ++i) {
    const Slot partner = nearest(right, orders[i]);
    if (partner == missing_slot) {
      if (node_.join == JoinKind::left) alone.push_back(left[i]);
      continue;
    }
    rows.push_back(left[i]);
    partners.push_back(partner);
  }
  auto add = [&](const std::vector<Slot>& of_left, const std::vector<Slot>* of_right) {
    for (size_t at = 0; at < of_left.size(); at += rows_per_batch) {
      const size_t count = std::min<size_t>(rows_per_batch, of_left.size() - at);
      Batch pairs = Batch::make(schema_, count);
      for (size_t i = 0; i < left_width_; ++i) sides_[0].gather(i, &of_left[at], count, pairs.chunk.data[i]);
      for (size_t i = left_width_; i < schema_->size(); ++i) {
        Vector& column = pairs.chunk.data[i];
        if (of_right) {
          sides_[1].gather(i - left_width_, &(*of_right)[at], count, column);
        } else {
          column.SetVectorType(duckdb::VectorType::CONSTANT_VECTOR);
          duckdb::ConstantVector::SetNull(column, true);
        }
      }
      pairs.chunk.SetCardinality(count);
      changes_.add(pairs.chunk, diff);
    }
  };
  add(rows, &partners);
  add(alone, nullptr);
}

Result<> StreamAsofJoinOperator::on_batch(uint32_t input, Batch batch, Emitter& out) {
  out.counters.passed += batch.rows();
  const std::vector<size_t>& key_columns = input == 0 ? node_.left_keys : node_.right_keys;
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  take_keys(batch, key_columns, keys, hashes);
  const size_t rows = static_cast<size_t>(batch.rows());
  Slot slots[STANDARD_VECTOR_SIZE];
  uint8_t created[STANDARD_VECTOR_SIZE];
  touched_.find_or_create(keys, hashes, rows, slots, created);
  // The answers of the last tick are taken back before anything of a key changes.
  for (uint32_t row = 0; row < rows; ++row) {
    if (!created[row]) continue;
    Batch one = batch.slice({row});
    DataChunk key;
    uint64_t hash;
    take_keys(one, key_columns, key, &hash);
    answer(key, hashes[row], -1);
  }
  Slot groups[STANDARD_VECTOR_SIZE];
  KeyedRows& side = sides_[input];
  std::vector<uint32_t> inserted;
  for (uint32_t row = 0; row < rows; ++row)
    if (batch.diff(row) > 0) inserted.push_back(row);
  if (!inserted.empty()) {
    Batch part = batch.slice(inserted);
    DataChunk part_keys;
    uint64_t part_hashes[STANDARD_VECTOR_SIZE];
    take_keys(part, key_columns, part_keys, part_hashes);
    side.add(part.chunk, part_keys, part_hashes, inserted.size(), groups, slots);
  }
  if (inserted.size() == rows) return {};
  side.find(keys, hashes, rows, groups);
  ChunkRows values(batch.chunk, rows);
  for (uint32_t row = 0; row < rows; ++row) {
    if (batch.diff(row) > 0 || groups[row] == missing_slot) continue;
    if (Slot gone = side.find_equal(groups[row], values, row); gone != missing_slot) side.erase(gone);
  }
  side.forget_empty(groups, rows);
  return {};
}

Result<> StreamAsofJoinOperator::on_tick_end(const TickInfo&, Emitter& out) {
  if (touched_.rows() == 0) return {};
  for (Slot slot : touched_.slots()) {
    DataChunk key;
    key.Initialize(duckdb::Allocator::DefaultAllocator(), {touched_.spec().key.begin(), touched_.spec().key.end()});
    for (size_t column = 0; column < key.ColumnCount(); ++column) touched_.gather(column, &slot, 1, key.data[column]);
    key.SetCardinality(1);
    answer(key, touched_.hash(slot), +1);
  }
  touched_.clear();
  return changes_.tell(out);
}

std::vector<Table*> StreamAsofJoinOperator::tables() {
  std::vector<Table*> out;
  for (KeyedRows& side : sides_)
    for (Table* table : side.tables()) out.push_back(table);
  return out;
}

Result<> StreamAsofJoinOperator::restored(EventTime) {
  for (KeyedRows& side : sides_) side.restored();
  touched_.clear();
  return {};
}

}  // namespace headrace
