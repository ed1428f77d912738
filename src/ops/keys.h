// The key columns of a batch as a chunk, with their hashes. A key without columns is one constant column, so that there
// is one group.
#pragma once

#include <vector>

#include "data/batch.h"
#include "duck/rows.h"

namespace headrace {

inline std::vector<LogicalType> key_types(const std::vector<LogicalType>& types) {
  return types.empty() ? std::vector<LogicalType>{LogicalType::BOOLEAN} : types;
}

/// The hash of a row that belongs to a group: the upper bits are the group's, so that it lives on its shard.
inline uint64_t beside_group(uint64_t group, uint64_t row) {
  return (group & 0xFFC0000000000000) | (row & 0x003FFFFFFFFFFFFF);
}

/// References the columns `columns` of `batch` in `out` and hashes them into `hashes` (rows_per_batch places).
inline void take_keys(Batch& batch, const std::vector<size_t>& columns, DataChunk& out, uint64_t* hashes) {
  duckdb::vector<LogicalType> types;
  for (size_t column : columns) types.push_back(batch.chunk.data[column].GetType());
  if (types.empty()) types.push_back(LogicalType::BOOLEAN);
  out.InitializeEmpty(types);
  for (size_t i = 0; i < columns.size(); ++i) out.data[i].Reference(batch.chunk.data[columns[i]]);
  if (columns.empty()) out.data[0].Reference(duckdb::Value::BOOLEAN(true));
  out.SetCardinality(batch.chunk.size());
  hash_rows(out, hashes);
  // One group of all rows lives on the first shard, wherever its constant would hash to.
  if (columns.empty()) std::fill_n(hashes, batch.chunk.size(), uint64_t{0});
}

}  // namespace headrace
