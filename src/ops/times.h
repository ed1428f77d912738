// Reading an event-time column of a batch.
#pragma once

#include <vector>

#include "data/batch.h"

namespace headrace {

inline constexpr int64_t no_time = INT64_MIN;

/// The column's times in whole milliseconds (rounded down), one per row; NULL gives no_time.
inline void read_times(const Batch& batch, size_t column, std::vector<int64_t>& out) {
  const int64_t rows = batch.rows();
  out.resize(static_cast<size_t>(rows));
  duckdb::UnifiedVectorFormat format;
  const_cast<DataChunk&>(batch.chunk).data[column].ToUnifiedFormat(static_cast<duckdb::idx_t>(rows), format);
  const auto* values = reinterpret_cast<const int64_t*>(format.data);
  for (int64_t i = 0; i < rows; ++i) {
    duckdb::idx_t at = format.sel->get_index(static_cast<duckdb::idx_t>(i));
    out[static_cast<size_t>(i)] = format.validity.RowIsValid(at) ? EventTime::from_us(values[at]).ms : no_time;
  }
}

}  // namespace headrace
