#include "ops/view.h"

#include <numeric>

#include "ops/keys.h"
#include "ops/row_table.h"

namespace headrace {
namespace {

TableSpec rows_spec(const ViewNode& node) {
  TableSpec out = row_table("rows", node.output, sizeof(int64_t));
  if (node.output.changelog == Changelog::append) std::swap(out.key, out.values);
  return out;
}

std::vector<size_t> hashed_columns(const ViewNode& node) {
  if (node.output.changelog != Changelog::append && !node.output.key.empty()) return node.output.key;
  std::vector<size_t> all(node.output.columns.size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

}  // namespace

ViewOperator::ViewOperator(const ViewNode& node)
    : schema_(node.output.schema()), hashed_(hashed_columns(node)), table_(rows_spec(node)) {}

void ViewOperator::keep(Batch& batch) {
  const size_t rows = static_cast<size_t>(batch.rows());
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  Slot slots[STANDARD_VECTOR_SIZE];
  DataChunk keys;
  take_keys(batch, hashed_, keys, hashes);
  if (table_.spec().key.empty()) {
    table_.append(batch.chunk, hashes, rows, slots);
    for (size_t row = 0; row < rows; ++row) *reinterpret_cast<int64_t*>(table_.plain(slots[row])) = 1;
    return;
  }
  uint8_t created[STANDARD_VECTOR_SIZE];
  table_.find_or_create(batch.chunk, hashes, rows, slots, created);
  for (size_t row = 0; row < rows; ++row)
    *reinterpret_cast<int64_t*>(table_.plain(slots[row])) += batch.diff(static_cast<int64_t>(row));
  for (size_t row = 0; row < rows; ++row)
    if (table_.is_used(slots[row]) && copies(table_.read_plain(slots[row])) == 0) table_.erase(slots[row]);
}

Result<> ViewOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  out.counters.passed += batch.rows();
  batch.schema = schema_;
  keep(batch);
  // Whoever listens reads later, from other threads: the changes own their memory, and no more of it than they need, as
  // many small ones may be kept.
  auto own = std::make_shared<Batch>(batch.copy());
  own->stamps_ms = {};
  changes_.push_back(std::move(own));
  return out.emit(std::move(batch), 0);
}

}  // namespace headrace
