#include "ops/net_changes.h"

#include <algorithm>

#include "duck/rows.h"

namespace headrace {
namespace {

TableSpec whole_rows(const Schema& schema) {
  TableSpec out;
  out.name = "net";
  for (const Field& field : schema.fields()) out.key.push_back(field.type);
  out.plain_bytes = sizeof(int64_t);
  return out;
}

int64_t copies(const Table& table, Slot row) {
  return *reinterpret_cast<const int64_t*>(table.read_plain(row));
}

}  // namespace

NetChanges::NetChanges(SchemaRef schema) : schema_(std::move(schema)), rows_(whole_rows(*schema_)) {}

void NetChanges::add(DataChunk& rows, int32_t diff) {
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  Slot slots[STANDARD_VECTOR_SIZE];
  uint8_t created[STANDARD_VECTOR_SIZE];
  hash_rows(rows, hashes);
  rows_.find_or_create(rows, hashes, rows.size(), slots, created);
  for (size_t row = 0; row < rows.size(); ++row) *reinterpret_cast<int64_t*>(rows_.plain(slots[row])) += diff;
}

Result<> NetChanges::tell_signed(const std::vector<Slot>& rows, int32_t sign, Emitter& out) {
  std::vector<Slot> told;
  for (Slot row : rows)
    for (int64_t i = copies(rows_, row) * sign; i > 0; --i) told.push_back(row);
  for (size_t at = 0; at < told.size(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, told.size() - at);
    Batch batch = Batch::make(schema_, count);
    for (size_t column = 0; column < schema_->size(); ++column)
      rows_.gather(column, &told[at], count, batch.chunk.data[column]);
    batch.chunk.SetCardinality(count);
    if (sign < 0) batch.diffs.assign(count, -1);
    HEADRACE_TRY(out.emit(std::move(batch), 0));
  }
  return {};
}

Result<> NetChanges::tell(Emitter& out) {
  if (rows_.rows() == 0) return {};
  std::vector<Slot> rows = rows_.slots();
  std::sort(rows.begin(), rows.end(),
            [&](Slot a, Slot b) { return rows_.hash(a) != rows_.hash(b) ? rows_.hash(a) < rows_.hash(b) : a < b; });
  HEADRACE_TRY(tell_signed(rows, -1, out));
  HEADRACE_TRY(tell_signed(rows, +1, out));
  rows_.clear();
  return {};
}

}  // namespace headrace
