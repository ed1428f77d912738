// Rows as an Arrow IPC stream (the columnar format's "Serialization and Interprocess Communication"), written by hand:
// a few small flatbuffers and the columns' buffers, so that no Arrow library has to be linked.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "duck/chunk.h"

namespace headrace {

/// One record batch per chunk. Types without a counterpart (INTERVAL, HUGEINT, UUID, ENUM ...) are given as text.
/// Errors: internal.
Result<std::string> arrow_stream(const std::vector<std::string>& names, const duckdb::vector<LogicalType>& types,
                                 const std::vector<std::unique_ptr<DataChunk>>& chunks);

}  // namespace headrace
