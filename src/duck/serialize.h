// Chunks as bytes: DuckDB's own serialisation, for the log and other durable places. The bytes belong to DuckDB 1.5;
// whoever keeps them writes the version beside them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "duck/chunk.h"

namespace headrace {

/// Appends the chunk's types and rows to `out`. Keeps every value, NULL and nested type.
void serialize_chunk(const DataChunk& chunk, std::string& out);
/// Reads what serialize_chunk wrote; `out` must be a new chunk. Errors: corrupt_state.
Result<> deserialize_chunk(std::string_view bytes, DataChunk& out);

}  // namespace headrace
