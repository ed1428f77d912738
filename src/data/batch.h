// A Batch: up to 2,048 rows in columns, with one signed diff per row. What flows between all rooms.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/named.h"
#include "data/event_time.h"
#include "data/schema.h"

namespace headrace {

/// Puts batches of one tick in an order that does not depend on the number of shards: exchanges deliver in ascending
/// order.
using Ordinal = Named<struct OrdinalTag, uint64_t>;

struct Batch {
  SchemaRef schema;
  DataChunk chunk;                 ///< Owns or references its vectors; at most rows_per_batch rows.
  std::vector<int32_t> diffs;      ///< One per row: > 0 insert, < 0 retract; empty = all +1.
  std::vector<int64_t> stamps_ms;  ///< One per row: the watermark before the row (EventTime ms); empty = no event time.
  Ordinal ordinal;

  Batch() = default;
  Batch(Batch&& other) noexcept { *this = std::move(other); }
  Batch& operator=(Batch&& other) noexcept;

  /// An empty batch of `schema` with room for `rows`. What is known to be small should be: room for few rows is taken
  /// from what the thread has at hand, room for a full batch is not.
  static Batch make(SchemaRef schema, size_t rows = rows_per_batch);

  int64_t rows() const { return static_cast<int64_t>(chunk.size()); }
  int32_t diff(int64_t row) const { return diffs.empty() ? 1 : diffs[row]; }
  bool inserts_only() const { return diffs.empty(); }
  /// A batch over the same vectors; cheap, and valid after this one is gone.
  Batch share() const;
  /// The same rows in memory of their own.
  Batch copy() const;
  /// Copies the rows `rows` of `other` behind those that are here; memory, which is this batch's own, grows as needed.
  void append(const Batch& other, const std::vector<uint32_t>& rows);
  /// The rows `rows[0..count)` of this batch, by reference, with their diffs and stamps.
  Batch slice(const std::vector<uint32_t>& rows) const;
};

/// The numbers below `rows` that are not in `taken`, which ascends.
std::vector<uint32_t> all_but(size_t rows, const std::vector<uint32_t>& taken);

/// What a broken record was: kept with its bytes, never dropped in silence.
struct Rejected {
  std::string
      origin;         ///< Where it came from: "data/a.ndjson:17" (file and line) or "http:tx#4711" (door and position).
  std::string bytes;  ///< The record as it came.
  Code code = Code::malformed_record;
  std::string reason;  ///< Names field, value and what was expected.
  int64_t index = 0;   ///< Its place in the request or morsel, from 0.
};

}  // namespace headrace
