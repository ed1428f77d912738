#include "data/batch.h"

#include <algorithm>

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

Batch Batch::make(SchemaRef schema, size_t rows) {
  Batch out;
  out.chunk.Initialize(duckdb::Allocator::DefaultAllocator(), schema->types(), std::max<size_t>(rows, 1));
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

Batch Batch::copy() const {
  Batch out = make(schema, chunk.size());
  chunk.Copy(out.chunk);
  out.diffs = diffs;
  out.stamps_ms = stamps_ms;
  out.ordinal = ordinal;
  return out;
}

void Batch::append(const Batch& other, const std::vector<uint32_t>& rows) {
  const bool signs = !diffs.empty() || !other.diffs.empty();
  if (signs && diffs.empty()) diffs.assign(chunk.size(), 1);
  duckdb::SelectionVector selection(const_cast<uint32_t*>(rows.data()));
  chunk.Append(other.chunk, true, &selection, rows.size());
  if (signs) diffs.reserve(chunk.GetCapacity());
  if (!other.stamps_ms.empty()) stamps_ms.reserve(chunk.GetCapacity());
  for (uint32_t row : rows) {
    if (signs) diffs.push_back(other.diff(row));
    if (!other.stamps_ms.empty()) stamps_ms.push_back(other.stamps_ms[row]);
  }
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
