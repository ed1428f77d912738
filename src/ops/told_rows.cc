#include "ops/told_rows.h"

#include <algorithm>

#include "duck/rows.h"

namespace headrace {

void ToldRows::touch(Table& table, Slot slot) {
  char& touched = table.plain(slot)[flags_offset_ + 1];
  if (touched) return;
  touched = 1;
  touched_.push_back(slot);
}

std::vector<Slot> ToldRows::take_touched(const Table& table) {
  // With their hashes beside them they are put in order without a look at the rows, which lie anywhere in memory.
  std::vector<std::pair<uint64_t, Slot>> rows;
  rows.reserve(touched_.size());
  // A row may have been told or let go since, and its place taken by another that was touched too.
  for (Slot slot : touched_)
    if (table.is_used(slot) && table.read_plain(slot)[flags_offset_ + 1]) rows.emplace_back(table.hash(slot), slot);
  touched_.clear();
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  std::vector<Slot> out(rows.size());
  std::transform(rows.begin(), rows.end(), out.begin(), [](const auto& row) { return row.second; });
  return out;
}

void ToldRows::restored(const Table& table) {
  touched_.clear();
  for (Slot slot : table.slots())
    if (table.read_plain(slot)[flags_offset_ + 1]) touched_.push_back(slot);
}

Result<> ToldRows::tell(Table& table, const Slot* slots, const std::vector<uint8_t>& live, DataChunk& now,
                        std::optional<int64_t> stamp_ms, Emitter& out) {
  const size_t count = now.size();
  DataChunk told;
  told.InitializeEmpty(schema_->types());
  for (size_t column = 0; column < told.ColumnCount(); ++column) told.data[column].Reference(now.data[column]);
  for (size_t i = 0; i < outputs_.size(); ++i) {
    Vector held(now.data[outputs_[i]].GetType());
    table.gather(table.layout().key_columns + i, slots, count, held);
    told.data[outputs_[i]].Reference(held);
  }
  told.SetCardinality(count);
  const std::vector<uint8_t> same = equal_rows(now, told, 0);

  Batch changes = Batch::make(schema_, 2 * count);
  size_t filled = 0;
  bool retracts = false;
  auto copy = [&](DataChunk& from, size_t row, int32_t diff) {
    for (size_t column = 0; column < from.ColumnCount(); ++column)
      duckdb::VectorOperations::Copy(from.data[column], changes.chunk.data[column], row + 1, row, filled);
    changes.diffs.push_back(diff);
    ++filled;
  };
  std::vector<Slot> changed;
  std::vector<uint32_t> changed_rows;
  for (size_t i = 0; i < count; ++i) {
    char* flags = table.plain(slots[i]) + flags_offset_;
    const bool was_told = flags[0];
    flags[0] = static_cast<char>(live[i]);
    flags[1] = 0;
    if (live[i] && was_told && same[i]) continue;
    if (was_told) copy(told, i, -1);
    retracts |= was_told;
    if (!live[i]) continue;
    copy(now, i, +1);
    changed.push_back(slots[i]);
    changed_rows.push_back(static_cast<uint32_t>(i));
  }
  duckdb::SelectionVector selection(changed_rows.data());
  for (size_t i = 0; i < outputs_.size() && !changed.empty(); ++i) {
    Vector column(now.data[outputs_[i]], selection, changed_rows.size());
    table.set_value(i, changed.data(), changed.size(), column);
  }
  if (filled == 0) return {};
  if (!retracts) changes.diffs.clear();
  if (stamp_ms) changes.stamps_ms.assign(filled, *stamp_ms);
  changes.chunk.SetCardinality(filled);
  return out.emit(std::move(changes), 0);
}

}  // namespace headrace
