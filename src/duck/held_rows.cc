#include "duck/held_rows.h"

#include <algorithm>

#include "base/check.h"
#include "duck/rows.h"

namespace headrace {
namespace {

using duckdb::FlatVector;
using duckdb::string_t;

void append_texts(Vector& from, size_t rows, Vector& to, size_t at) {
  duckdb::UnifiedVectorFormat source;
  from.ToUnifiedFormat(rows, source);
  const auto* texts = duckdb::UnifiedVectorFormat::GetData<string_t>(source);
  auto* out = FlatVector::GetData<string_t>(to) + at;
  for (size_t row = 0; row < rows; ++row) {
    const size_t place = source.sel->get_index(row);
    const bool valid = source.validity.RowIsValid(place);
    out[row] = valid ? texts[place] : string_t();
    if (!valid) FlatVector::SetNull(to, at + row, true);
  }
  duckdb::StringVector::AddHeapReference(to, from);
}

}  // namespace

HeldRows::HeldRows(const duckdb::vector<LogicalType>& types, size_t capacity) : capacity_(capacity) {
  chunk_.Initialize(duckdb::Allocator::DefaultAllocator(), types, capacity);
}

void HeldRows::append(DataChunk& rows) {
  const size_t count = rows.size(), at = chunk_.size();
  CHECK_LE(count, room());
  for (size_t i = 0; i < chunk_.ColumnCount(); ++i) {
    if (is_text(chunk_.data[i].GetType()))
      append_texts(rows.data[i], count, chunk_.data[i], at);
    else
      duckdb::VectorOperations::Copy(rows.data[i], chunk_.data[i], count, 0, at);
  }
  chunk_.SetCardinality(at + count);
}

void reference_rows(DataChunk& from, size_t first, size_t rows, DataChunk& out) {
  out.Destroy();
  out.InitializeEmpty(from.GetTypes());
  for (size_t i = 0; i < from.ColumnCount(); ++i) out.data[i].Slice(from.data[i], first, first + rows);
  out.SetCapacity(std::max<size_t>(rows, rows_per_batch));
  out.SetCardinality(rows);
}

}  // namespace headrace
