// Rows of a batch beside the rows of a state table that they are joined with.
#pragma once

#include <vector>

#include "data/batch.h"
#include "state/table.h"

namespace headrace {

/// The rows of `left`, row i beside the table's row `right[i]`, or beside NULLs where that is missing_slot. `gather`
/// writes a column of table rows (column, slots, count, out).
template <class Gather>
Batch side_by_side(const Batch& left, const std::vector<Slot>& right, const SchemaRef& schema, const Gather& gather) {
  const size_t rows = right.size(), width = left.chunk.ColumnCount();
  std::vector<Slot> present;
  duckdb::SelectionVector places(std::max<size_t>(rows, 1));
  for (Slot slot : right)
    if (slot != missing_slot) present.push_back(slot);
  for (size_t row = 0, next = 0; row < rows; ++row)
    places.set_index(row, right[row] == missing_slot ? present.size() : next++);
  Batch out = left.share();
  out.schema = schema;
  DataChunk both;
  both.InitializeEmpty(schema->types());
  for (size_t i = 0; i < width; ++i) both.data[i].Reference(out.chunk.data[i]);
  for (size_t i = width; i < schema->size(); ++i) {
    Vector values((*schema)[i].type, present.size() + 1);
    if (!present.empty()) gather(i - width, present.data(), present.size(), values);
    duckdb::FlatVector::SetNull(values, present.size(), true);
    both.data[i].Slice(values, places, rows);
  }
  both.SetCardinality(rows);
  out.chunk.Destroy();
  out.chunk.Move(both);
  return out;
}

/// A NULL in a key equals nothing, unless the column is compared so that it equals NULL.
inline void forget_null_keys(DataChunk& keys, size_t count, const std::vector<bool>& null_safe, Slot* found) {
  for (size_t i = 0; i < null_safe.size(); ++i) {
    duckdb::UnifiedVectorFormat format;
    keys.data[i].ToUnifiedFormat(count, format);
    if (null_safe[i] || format.validity.AllValid()) continue;
    for (size_t row = 0; row < count; ++row)
      if (!format.validity.RowIsValid(format.sel->get_index(row))) found[row] = missing_slot;
  }
}

}  // namespace headrace
