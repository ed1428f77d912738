// Rows that came too late as late(x) shows them: the row, late_operator, late_watermark. What would have taken a row
// back is a row of late(x) like any other.
#pragma once

#include <string>
#include <vector>

#include "data/batch.h"

namespace headrace {

inline Batch late_rows(const Batch& batch, const std::vector<uint32_t>& rows, const std::string& late_operator) {
  Batch from = batch.slice(rows);
  std::vector<Field> fields = batch.schema->fields();
  fields.push_back({"late_operator", LogicalType::VARCHAR});
  fields.push_back({"late_watermark", LogicalType::TIMESTAMP});
  Batch out = Batch::make(std::make_shared<Schema>(std::move(fields)), rows.size());
  const size_t width = from.chunk.ColumnCount();
  for (size_t i = 0; i < width; ++i) out.chunk.data[i].Reference(from.chunk.data[i]);
  out.chunk.data[width].Reference(duckdb::Value(late_operator));
  for (size_t i = 0; i < rows.size(); ++i)
    duckdb::FlatVector::GetData<int64_t>(out.chunk.data[width + 1])[i] = from.stamps_ms[i] * 1000;
  out.chunk.SetCardinality(rows.size());
  out.ordinal = from.ordinal;
  return out;
}

}  // namespace headrace
