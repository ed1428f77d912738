#include "ops/normalize.h"

#include <algorithm>
#include <numeric>

#include "duck/rows.h"
#include "ops/keys.h"

namespace headrace {
namespace {

constexpr uint32_t none = UINT32_MAX;

/// The output's columns beside the key.
std::vector<size_t> value_columns(const NormalizeNode& node) {
  std::vector<size_t> out;
  for (size_t column = 0; column < node.output.columns.size(); ++column)
    if (std::find(node.key.begin(), node.key.end(), column) == node.key.end()) out.push_back(column);
  return out;
}

TableSpec rows_spec(const NormalizeNode& node) {
  TableSpec out;
  out.name = "rows";
  for (size_t column : node.key) out.key.push_back(node.output.columns[column].type);
  for (size_t column : value_columns(node)) out.values.push_back(node.output.columns[column].type);
  return out;
}

/// The rows of `from` at `places`, by reference.
void select_rows(DataChunk& from, const std::vector<uint32_t>& places, DataChunk& out) {
  out.InitializeEmpty(from.GetTypes());
  duckdb::SelectionVector selection(std::max<size_t>(places.size(), 1));
  for (size_t i = 0; i < places.size(); ++i) selection.set_index(i, places[i]);
  out.Slice(from, selection, places.size());
}

}  // namespace

NormalizeOperator::NormalizeOperator(const NormalizeNode& node)
    : schema_(node.output.schema()),
      key_(node.key),
      values_(value_columns(node)),
      places_(node.output.columns.size()),
      table_(rows_spec(node)) {
  for (size_t i = 0; i < key_.size(); ++i) places_[key_[i]] = i;
  for (size_t i = 0; i < values_.size(); ++i) places_[values_[i]] = key_.size() + i;
}

Result<> NormalizeOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  const size_t rows = static_cast<size_t>(batch.rows());
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  Slot slots[STANDARD_VECTOR_SIZE];
  uint8_t created[STANDARD_VECTOR_SIZE];
  take_keys(batch, key_, keys, hashes);
  table_.find_or_create(keys, hashes, rows, slots, created);
  batch.schema = schema_;
  const bool all_new = std::all_of(created, created + rows, [](uint8_t is_new) { return is_new == 1; });
  if (all_new && batch.inserts_only()) {
    out.counters.passed += batch.rows();
    keep(batch, slots);
    return out.emit(std::move(batch), 0);
  }
  find_previous(batch, slots, created);
  DataChunk both;
  put_before_and_after(batch, slots, both);
  const std::vector<uint8_t> unchanged = unchanged_rows(batch, both);
  changes_.clear();
  for (uint32_t row = 0; row < rows; ++row) {
    const bool goes = batch.diff(row) < 0, known = previous_[row] != none;
    ++(goes && !known ? out.counters.filtered : out.counters.passed);
    if (unchanged[row]) continue;
    if (known) changes_.push_back({previous_[row], row, -1});
    if (!goes) changes_.push_back({static_cast<uint32_t>(rows) + row, row, 1});
  }
  keep(batch, slots);
  return emit(batch, both, out);
}

/// Finds for each row the one that it replaces: a row of the table (place = the row's own number), or an earlier one of
/// the batch (place = rows + its number).
void NormalizeOperator::find_previous(const Batch& batch, const Slot* slots, const uint8_t* created) {
  const uint32_t rows = static_cast<uint32_t>(batch.rows());
  by_slot_.resize(rows);
  previous_.resize(rows);
  std::iota(by_slot_.begin(), by_slot_.end(), 0);
  std::sort(by_slot_.begin(), by_slot_.end(),
            [&](uint32_t a, uint32_t b) { return slots[a] != slots[b] ? slots[a] < slots[b] : a < b; });
  for (size_t i = 0; i < rows; ++i) {
    const uint32_t row = by_slot_[i];
    if (i == 0 || slots[by_slot_[i - 1]] != slots[row])
      previous_[row] = created[row] ? none : row;
    else
      previous_[row] = batch.diff(by_slot_[i - 1]) < 0 ? none : rows + by_slot_[i - 1];
  }
}

/// The rows that the table has for the batch's keys, then the batch's rows.
void NormalizeOperator::put_before_and_after(const Batch& batch, const Slot* slots, DataChunk& both) const {
  const size_t rows = static_cast<size_t>(batch.rows());
  both.Initialize(duckdb::Allocator::DefaultAllocator(), schema_->types(), 2 * rows);
  for (size_t column = 0; column < schema_->size(); ++column) {
    table_.gather(places_[column], slots, rows, both.data[column]);
    duckdb::VectorOperations::Copy(batch.chunk.data[column], both.data[column], rows, 0, rows);
  }
  both.SetCardinality(2 * rows);
}

/// By row: whether it comes and equals the row that it replaces.
std::vector<uint8_t> NormalizeOperator::unchanged_rows(const Batch& batch, DataChunk& both) const {
  const uint32_t rows = static_cast<uint32_t>(batch.rows());
  std::vector<uint8_t> out(rows);
  std::vector<uint32_t> asked, before, after;
  for (uint32_t row = 0; row < rows; ++row) {
    if (previous_[row] == none || batch.diff(row) < 0) continue;
    asked.push_back(row);
    before.push_back(previous_[row]);
    after.push_back(rows + row);
  }
  DataChunk a, b;
  select_rows(both, before, a);
  select_rows(both, after, b);
  const std::vector<uint8_t> equal = equal_rows(a, b, 0);
  for (size_t i = 0; i < asked.size(); ++i) out[asked[i]] = equal[i];
  return out;
}

/// Remembers the last row of each key.
void NormalizeOperator::keep(Batch& batch, const Slot* slots) {
  const size_t rows = static_cast<size_t>(batch.rows());
  for (size_t i = 0; i < values_.size(); ++i) table_.set_value(i, slots, rows, batch.chunk.data[values_[i]]);
  if (batch.inserts_only()) return;
  for (size_t i = 0; i < rows; ++i) {
    const uint32_t row = by_slot_[i];
    const bool last = i + 1 == rows || slots[by_slot_[i + 1]] != slots[row];
    if (last && batch.diff(row) < 0) table_.erase(slots[row]);
  }
}

Result<> NormalizeOperator::emit(const Batch& batch, DataChunk& both, Emitter& out) const {
  for (size_t begin = 0; begin < changes_.size();) {
    size_t end = std::min(changes_.size(), begin + rows_per_batch);
    // An old row and the new one stay together.
    if (end < changes_.size() && changes_[end - 1].row == changes_[end].row) --end;
    std::vector<uint32_t> places;
    Batch part;
    for (size_t i = begin; i < end; ++i) {
      places.push_back(changes_[i].place);
      part.diffs.push_back(changes_[i].diff);
      if (!batch.stamps_ms.empty()) part.stamps_ms.push_back(batch.stamps_ms[changes_[i].row]);
    }
    select_rows(both, places, part.chunk);
    part.schema = schema_;
    part.ordinal = batch.ordinal;
    HEADRACE_TRY(out.emit(std::move(part), 0));
    begin = end;
  }
  return {};
}

}  // namespace headrace
