#include "data/batch.h"

namespace headrace {

Batch& Batch::operator=(Batch&& other) noexcept {
  if (this == &other) return *this;
  schema = std::move(other.schema);
  chunk.Destroy();
  chunk.Move(other.chunk);
  diffs = std::move(other.diffs);
  stamps_ms = std::move(other.stamps_ms);
  ordinal = other.ordinal;
  return *this;
}

Batch Batch::make(SchemaRef schema) {
  Batch out;
  out.chunk.Initialize(duckdb::Allocator::DefaultAllocator(), schema->types());
  out.schema = std::move(schema);
  return out;
}

Batch Batch::share() const {
  Batch out;
  out.schema = schema;
  out.chunk.InitializeEmpty(chunk.GetTypes());
  out.chunk.Reference(const_cast<DataChunk&>(chunk));
  out.diffs = diffs;
  out.stamps_ms = stamps_ms;
  out.ordinal = ordinal;
  return out;
}

Batch Batch::slice(const std::vector<uint32_t>& rows) const {
  Batch out;
  out.schema = schema;
  out.ordinal = ordinal;
  duckdb::SelectionVector selection(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) selection.set_index(i, rows[i]);
  out.chunk.InitializeEmpty(chunk.GetTypes());
  out.chunk.Slice(const_cast<DataChunk&>(chunk), selection, rows.size());
  if (!diffs.empty()) {
    out.diffs.reserve(rows.size());
    for (uint32_t row : rows) out.diffs.push_back(diffs[row]);
  }
  if (!stamps_ms.empty()) {
    out.stamps_ms.reserve(rows.size());
    for (uint32_t row : rows) out.stamps_ms.push_back(stamps_ms[row]);
  }
  return out;
}

std::vector<uint32_t> all_but(size_t rows, const std::vector<uint32_t>& taken) {
  std::vector<uint32_t> out;
  size_t at = 0;
  for (uint32_t row = 0; row < rows; ++row) {
    if (at < taken.size() && taken[at] == row)
      ++at;
    else
      out.push_back(row);
  }
  return out;
}

}  // namespace headrace
