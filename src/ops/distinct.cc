#include "ops/distinct.h"

#include "ops/keys.h"
#include "ops/row_table.h"

namespace headrace {
DistinctOperator::DistinctOperator(const AggregateNode& node)
    : schema_(node.output.schema()), columns_(node.groups), table_(row_table("values", node.output, sizeof(int64_t))) {}

Result<> DistinctOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  const size_t rows = static_cast<size_t>(batch.rows());
  out.counters.passed += batch.rows();
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  take_keys(batch, columns_, keys, hashes);
  Slot values[STANDARD_VECTOR_SIZE];
  uint8_t created[STANDARD_VECTOR_SIZE];
  table_.find_or_create(keys, hashes, rows, values, created);
  // The first copy brings the value, the last takes it back.
  std::vector<uint32_t> changed;
  std::vector<int32_t> diffs;
  for (uint32_t row = 0; row < rows; ++row) {
    int64_t& now = copies(values[row]);
    const int64_t before = now;
    now += batch.diff(row);
    if ((before > 0) == (now > 0)) continue;
    changed.push_back(row);
    diffs.push_back(now > 0 ? 1 : -1);
  }
  if (!batch.inserts_only())
    for (size_t row = 0; row < rows; ++row)
      if (table_.is_used(values[row]) && copies(values[row]) == 0) table_.erase(values[row]);
  if (changed.empty()) return {};
  Batch changes = batch.slice(changed);
  changes.schema = schema_;
  if (!batch.inserts_only()) changes.diffs = std::move(diffs);
  return out.emit(std::move(changes), 0);
}

}  // namespace headrace
