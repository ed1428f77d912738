#include "duck/rows.h"

#include <cstring>
#include <duckdb/common/types/value.hpp>
#include <duckdb/common/vector_operations/vector_operations.hpp>

namespace headrace {

size_t fixed_width(const LogicalType& type) {
  duckdb::PhysicalType physical = type.InternalType();
  return duckdb::TypeIsConstantSize(physical) ? duckdb::GetTypeIdSize(physical) : 0;
}

bool is_text(const LogicalType& type) {
  return type.InternalType() == duckdb::PhysicalType::VARCHAR;
}

void hash_rows(DataChunk& columns, uint64_t* out) {
  Vector hashes(LogicalType::HASH, columns.size());
  columns.Hash(hashes);
  hashes.Flatten(columns.size());
  std::memcpy(out, duckdb::FlatVector::GetData<uint64_t>(hashes), columns.size() * sizeof(uint64_t));
}

std::vector<uint8_t> equal_rows(DataChunk& a, DataChunk& b, size_t first_column) {
  std::vector<uint8_t> same(a.size(), 1);
  duckdb::SelectionVector different(a.size());
  for (size_t column = first_column; column < a.ColumnCount(); ++column) {
    duckdb::idx_t count =
        duckdb::VectorOperations::DistinctFrom(a.data[column], b.data[column], nullptr, a.size(), &different, nullptr);
    for (duckdb::idx_t i = 0; i < count; ++i) same[different.get_index(i)] = 0;
  }
  return same;
}

void longest_lists(Vector& lists, size_t count, std::vector<uint64_t>& lengths) {
  duckdb::UnifiedVectorFormat format;
  lists.ToUnifiedFormat(count, format);
  const auto* entries = duckdb::UnifiedVectorFormat::GetData<duckdb::list_entry_t>(format);
  for (size_t row = 0; row < count; ++row) {
    const duckdb::idx_t at = format.sel->get_index(row);
    if (format.validity.RowIsValid(at)) lengths[row] = std::max<uint64_t>(lengths[row], entries[at].length);
  }
}

void take_elements(Vector& lists, size_t count, const std::vector<uint32_t>& rows,
                   const std::vector<uint64_t>& elements, Vector& out) {
  duckdb::UnifiedVectorFormat format;
  lists.ToUnifiedFormat(count, format);
  const auto* entries = duckdb::UnifiedVectorFormat::GetData<duckdb::list_entry_t>(format);
  const Vector& children = duckdb::ListVector::GetEntry(lists);
  duckdb::SelectionVector selection(rows.size());
  std::vector<size_t> missing;
  for (size_t i = 0; i < rows.size(); ++i) {
    const duckdb::idx_t at = format.sel->get_index(rows[i]);
    const bool there = format.validity.RowIsValid(at) && elements[i] < entries[at].length;
    selection.set_index(i, there ? entries[at].offset + elements[i] : 0);
    if (!there) missing.push_back(i);
  }
  if (missing.size() < rows.size()) duckdb::VectorOperations::Copy(children, out, selection, rows.size(), 0, 0);
  for (size_t i : missing) duckdb::FlatVector::SetNull(out, i, true);
}

}  // namespace headrace
