#include "ops/over_changes.h"

#include <algorithm>

#include "duck/rows.h"
#include "ops/keys.h"

namespace headrace {
namespace {

size_t width_of(const OverNode& node) {
  return node.output.columns.size() - node.functions.size();
}

RankedRows::Spec spec_of(const OverNode& node) {
  RankedRows::Spec out;
  out.name = "over";
  for (size_t i = 0; i < width_of(node); ++i) out.columns.push_back(node.output.columns[i].type);
  for (const OverFunction& function : node.functions) out.values.push_back(function.call.type);
  out.key = node.partition;
  out.order = node.order;
  return out;
}

void set_at(std::vector<uint8_t>& flags, Slot slot, uint8_t value) {
  if (slot >= flags.size()) flags.resize(std::max<size_t>(slot + 1, flags.size() * 2));
  flags[slot] = value;
}

}  // namespace

/// Gathers changes into batches.
class ChangingOverOperator::Changes {
 public:
  Changes(ChangingOverOperator& of, Emitter& out) : of_(of), out_(out), batch_(Batch::make(of.schema_)) {}

  /// Row `row` with the functions' values of row `place` of `values`.
  Result<> add(Slot row, DataChunk& values, size_t place, int32_t diff) {
    for (size_t i = 0; i < values.ColumnCount(); ++i)
      duckdb::VectorOperations::Copy(values.data[i], batch_.chunk.data[of_.width_ + i], place + 1, place, rows_.size());
    rows_.push_back(row);
    batch_.diffs.push_back(diff);
    retracts_ |= diff < 0;
    return static_cast<int64_t>(rows_.size()) == rows_per_batch ? finish() : Result<>{};
  }
  /// True when two more rows go into the batch: an old row and its new form stay together.
  bool has_room() const { return static_cast<int64_t>(rows_.size()) + 2 <= rows_per_batch; }

  Result<> finish() {
    if (rows_.empty()) return {};
    for (size_t i = 0; i < of_.width_; ++i)
      of_.rows_.rows().gather(i, rows_.data(), rows_.size(), batch_.chunk.data[i]);
    batch_.chunk.SetCardinality(rows_.size());
    if (!retracts_) batch_.diffs.clear();
    rows_.clear();
    retracts_ = false;
    return out_.emit(std::exchange(batch_, Batch::make(of_.schema_)), 0);
  }

 private:
  ChangingOverOperator& of_;
  Emitter& out_;
  Batch batch_;
  std::vector<Slot> rows_;
  bool retracts_ = false;
};

ChangingOverOperator::ChangingOverOperator(const OverNode& node, const OperatorContext& context)
    : node_(node), schema_(node.output.schema()), width_(width_of(node)), rows_(spec_of(node)), query_(node, context) {}

void ChangingOverOperator::touch(Slot partition) {
  if (partition < is_touched_.size() && is_touched_[partition]) return;
  set_at(is_touched_, partition, 1);
  touched_.push_back(partition);
}

Result<> ChangingOverOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  const size_t rows = static_cast<size_t>(batch.rows());
  out.counters.passed += batch.rows();
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  take_keys(batch, node_.partition, keys, hashes);
  Slot partitions[STANDARD_VECTOR_SIZE];
  rows_.rows().find_or_create(keys, hashes, rows, partitions);
  std::vector<uint32_t> added, taken_back;
  for (uint32_t row = 0; row < rows; ++row) {
    touch(partitions[row]);
    const int32_t diff = batch.diff(row);
    (diff < 0 ? taken_back : added)
        .insert(diff < 0 ? taken_back.end() : added.end(), static_cast<size_t>(std::abs(diff)), row);
  }
  add(batch, added, hashes, partitions);
  take_back(batch, taken_back, partitions);
  return {};
}

void ChangingOverOperator::add(Batch& batch, const std::vector<uint32_t>& rows, const uint64_t* hashes,
                               const Slot* partitions) {
  for (size_t at = 0; at < rows.size(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, rows.size() - at);
    const std::vector<uint32_t> part(rows.begin() + static_cast<long>(at),
                                     rows.begin() + static_cast<long>(at + count));
    uint64_t part_hashes[STANDARD_VECTOR_SIZE];
    Slot part_partitions[STANDARD_VECTOR_SIZE], slots[STANDARD_VECTOR_SIZE];
    for (size_t i = 0; i < count; ++i) {
      part_hashes[i] = hashes[part[i]];
      part_partitions[i] = partitions[part[i]];
    }
    Batch some = batch.slice(part);
    SortKeys order = rows_.keys_of(some.chunk);
    rows_.add(some.chunk, order, part_hashes, count, part_partitions, slots);
  }
}

void ChangingOverOperator::take_back(Batch& batch, const std::vector<uint32_t>& rows, const Slot* partitions) {
  if (rows.empty()) return;
  SortKeys order = rows_.keys_of(batch.chunk);
  DataChunk stored;
  rows_.stored(batch.chunk, order, stored);
  const ChunkRows columns(stored, stored.size());
  for (uint32_t row : rows) {
    const Slot found = rows_.find_equal(partitions[row], columns, order[row], row);
    if (found == missing_slot) continue;
    rows_.remove(found);
    if (is_told(found))
      gone_.push_back(found);
    else
      rows_.forget(found);
  }
}

/// The partitions touched in this tick, in an order that depends neither on arrival nor on the number of shards.
std::vector<Slot> ChangingOverOperator::touched_partitions() {
  std::vector<std::pair<uint64_t, Slot>> hashed;
  for (Slot partition : std::exchange(touched_, {})) {
    is_touched_[partition] = 0;
    hashed.emplace_back(rows_.rows().groups().hash(partition), partition);
  }
  std::sort(hashed.begin(), hashed.end());
  std::vector<Slot> out;
  for (const auto& [hash, partition] : hashed) out.push_back(partition);
  return out;
}

Result<> ChangingOverOperator::on_tick_end(const TickInfo&, Emitter& out) {
  const std::vector<Slot> partitions = touched_partitions();
  if (partitions.empty()) return {};
  Changes changes(*this, out);
  DataChunk values;
  values.Initialize(duckdb::Allocator::DefaultAllocator(), {rows_.values().begin(), rows_.values().end()});
  // Rows that are no more go first, so that a row that comes back under the same key finds its place free.
  std::stable_sort(gone_.begin(), gone_.end(),
                   [&](Slot a, Slot b) { return rows_.rows().rows().hash(a) < rows_.rows().rows().hash(b); });
  for (Slot row : gone_) {
    values.Reset();
    for (size_t i = 0; i < values.ColumnCount(); ++i)
      rows_.rows().gather(rows_.first_value() + i, &row, 1, values.data[i]);
    values.SetCardinality(1);
    HEADRACE_TRY(changes.add(row, values, 0, -1));
  }
  HEADRACE_TRY(changes.finish());
  for (Slot row : gone_) {
    told_[row] = 0;
    rows_.forget(row);
  }
  gone_.clear();
  std::vector<Slot> rows;
  for (Slot partition : partitions) {
    rows_.first(partition, rows_.size(partition), rows);
    if (rows.empty())
      rows_.erase_group(partition);
    else
      query_.add(rows);
  }
  if (query_.rows().empty()) return {};
  std::vector<Vector> results;
  HEADRACE_TRY(query_.run(rows_, results));
  for (size_t at = 0; at < query_.rows().size(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, query_.rows().size() - at);
    values.Reset();
    for (size_t i = 0; i < results.size(); ++i)
      duckdb::VectorOperations::Copy(results[i], values.data[i], at + count, at, 0);
    values.SetCardinality(count);
    HEADRACE_TRY(tell(&query_.rows()[at], count, values, changes));
  }
  query_.clear();
  return changes.finish();
}

/// Tells the rows whose results differ from what was told of them.
Result<> ChangingOverOperator::tell(const Slot* rows, size_t count, DataChunk& results, Changes& changes) {
  DataChunk told;
  told.Initialize(duckdb::Allocator::DefaultAllocator(), results.GetTypes());
  for (size_t i = 0; i < results.ColumnCount(); ++i)
    rows_.rows().gather(rows_.first_value() + i, rows, count, told.data[i]);
  told.SetCardinality(count);
  const std::vector<uint8_t> same = equal_rows(results, told, 0);
  std::vector<Slot> changed;
  std::vector<uint32_t> places;
  for (size_t i = 0; i < count; ++i) {
    const bool was_told = is_told(rows[i]);
    if (was_told && same[i]) continue;
    if (!changes.has_room()) HEADRACE_TRY(changes.finish());
    if (was_told) HEADRACE_TRY(changes.add(rows[i], told, i, -1));
    HEADRACE_TRY(changes.add(rows[i], results, i, +1));
    set_at(told_, rows[i], 1);
    changed.push_back(rows[i]);
    places.push_back(static_cast<uint32_t>(i));
  }
  if (changed.empty()) return {};
  duckdb::SelectionVector selection(places.data());
  for (size_t i = 0; i < results.ColumnCount(); ++i) {
    Vector column(results.data[i], selection, places.size());
    rows_.rows().set(rows_.first_value() + i, changed.data(), changed.size(), column);
  }
  return {};
}

Result<> ChangingOverOperator::restored(EventTime) {
  rows_.restored();
  told_.clear();
  is_touched_.clear();
  touched_.clear();
  gone_.clear();
  // A checkpoint lies between ticks: all that there is was told.
  for (Slot row : rows_.rows().rows().slots()) set_at(told_, row, 1);
  return {};
}

}  // namespace headrace
