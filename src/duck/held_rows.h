// Rows of several chunks, held together for a while.
#pragma once

#include "duck/chunk.h"

namespace headrace {

/// Up to `capacity` rows in columns of their own. Texts are shared with the chunks they come from, not copied.
class HeldRows {
 public:
  HeldRows(const duckdb::vector<LogicalType>& types, size_t capacity);

  size_t rows() const { return chunk_.size(); }
  size_t room() const { return capacity_ - chunk_.size(); }
  /// All rows; flat. Valid until clear().
  DataChunk& chunk() { return chunk_; }

  /// Adds all rows of a chunk; there is room for them.
  void append(DataChunk& rows);
  void clear() { chunk_.Reset(); }

 private:
  const size_t capacity_;
  DataChunk chunk_;
};

/// Makes `out` the rows [first, first + rows) of flat columns, by reference.
void reference_rows(DataChunk& from, size_t first, size_t rows, DataChunk& out);

}  // namespace headrace
