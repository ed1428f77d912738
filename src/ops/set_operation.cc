#include "ops/set_operation.h"

#include <algorithm>
#include <numeric>

#include "ops/keys.h"

namespace headrace {
namespace {

TableSpec rows_spec(const SetOperationNode& node, size_t plain_bytes) {
  TableSpec out;
  out.name = "rows";
  for (const Column& column : node.output.columns) out.key.push_back(column.type);
  out.plain_bytes = plain_bytes;
  return out;
}

}  // namespace

SetOperationOperator::SetOperationOperator(const SetOperationNode& node)
    : except_(node.except),
      all_(node.all),
      schema_(node.output.schema()),
      columns_(node.output.columns.size()),
      table_(rows_spec(node, sizeof(Counts))) {
  std::iota(columns_.begin(), columns_.end(), 0);
}

int64_t SetOperationOperator::wanted(const Counts& counts) const {
  const int64_t left = counts.in[0], right = counts.in[1];
  if (all_) return except_ ? std::max<int64_t>(left - right, 0) : std::min(left, right);
  return left > 0 && (right > 0) != except_;
}

Result<> SetOperationOperator::on_batch(uint32_t input, Batch batch, Emitter& out) {
  const size_t rows = static_cast<size_t>(batch.rows());
  out.counters.passed += batch.rows();
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  take_keys(batch, columns_, keys, hashes);
  Slot slots[STANDARD_VECTOR_SIZE];
  uint8_t created[STANDARD_VECTOR_SIZE];
  table_.find_or_create(keys, hashes, rows, slots, created);
  for (size_t row = 0; row < rows; ++row) {
    Counts& counts = *reinterpret_cast<Counts*>(table_.plain(slots[row]));
    counts.in[input] += batch.diff(static_cast<int64_t>(row));
    if (!counts.touched) touched_.push_back(slots[row]);
    counts.touched = 1;
  }
  return {};
}

Result<> SetOperationOperator::flush(std::vector<Slot>& rows, std::vector<int32_t>& diffs, Emitter& out) {
  if (rows.empty()) return {};
  Batch batch = Batch::make(schema_, rows.size());
  for (size_t column = 0; column < columns_.size(); ++column)
    table_.gather(column, rows.data(), rows.size(), batch.chunk.data[column]);
  batch.chunk.SetCardinality(rows.size());
  if (std::any_of(diffs.begin(), diffs.end(), [](int32_t diff) { return diff < 0; })) batch.diffs = diffs;
  rows.clear();
  diffs.clear();
  return out.emit(std::move(batch), 0);
}

Result<> SetOperationOperator::on_tick_end(const TickInfo&, Emitter& out) {
  std::vector<Slot> touched = std::exchange(touched_, {});
  std::sort(touched.begin(), touched.end(),
            [&](Slot a, Slot b) { return table_.hash(a) != table_.hash(b) ? table_.hash(a) < table_.hash(b) : a < b; });
  std::vector<Slot> rows;
  std::vector<int32_t> diffs;
  for (Slot slot : touched) {
    Counts& counts = *reinterpret_cast<Counts*>(table_.plain(slot));
    counts.touched = 0;
    for (const int64_t now = wanted(counts); counts.told != now;) {
      const int32_t diff = counts.told < now ? 1 : -1;
      counts.told += diff;
      rows.push_back(slot);
      diffs.push_back(diff);
      if (static_cast<int64_t>(rows.size()) == rows_per_batch) HEADRACE_TRY(flush(rows, diffs, out));
    }
  }
  HEADRACE_TRY(flush(rows, diffs, out));
  for (Slot slot : touched) {
    const Counts& counts = *reinterpret_cast<const Counts*>(table_.read_plain(slot));
    if (counts.in[0] == 0 && counts.in[1] == 0) table_.erase(slot);
  }
  return {};
}

}  // namespace headrace
