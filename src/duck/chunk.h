// The light part of the DuckDB border: vectors, chunks and types. Everything heavier (planner, executor) stays in
// src/duck/*.cc.
#pragma once

#include <duckdb/common/types/data_chunk.hpp>
#include <duckdb/common/types/vector.hpp>
#include <duckdb/common/vector_operations/vector_operations.hpp>

namespace headrace {

using duckdb::DataChunk;
using duckdb::LogicalType;
using duckdb::LogicalTypeId;
using duckdb::Vector;

/// Rows in a full chunk; the capacity of every Batch.
inline constexpr int64_t rows_per_batch = STANDARD_VECTOR_SIZE;

}  // namespace headrace
