// Vectors as Arrow buffers in a given piece of memory, and back. The layout is Arrow's columnar format: per type, depth
// first,
//   fixed width, BOOLEAN   validity bits, values           VARCHAR, BLOB   validity bits, int32 offsets, bytes
//   LIST, MAP              validity bits, int32 offsets, then the child's buffers (of a MAP: a struct of key and value)
//   STRUCT                 validity bits, then each field's buffers
// A validity span of 0 bytes means "no NULLs". DECIMAL is decimal128 of the same width and scale; TIMESTAMP,
// TIMESTAMPTZ and TIME are microseconds; DATE is days.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "duck/chunk.h"

namespace headrace {

/// One buffer's place in the memory area.
struct ArrowSpan {
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

/// True when values of `type` (and all types inside it) can be written and read.
bool has_arrow_layout(const LogicalType& type);
/// How many spans a column of `type` has.
size_t arrow_span_count(const LogicalType& type);

/// Writes columns one after another into an area; each buffer starts on a multiple of 64 bytes.
class ArrowWriter {
 public:
  explicit ArrowWriter(std::span<std::byte> area) : area_(area) {}

  /// Appends the spans of rows [row_first, row_first + rows) of `column`. False when the area is full; then the writer
  /// is spent. The vector may be of any kind (flat, constant, dictionary); rows count from its first.
  Result<bool> write(Vector& column, int64_t row_first, int64_t rows, std::vector<ArrowSpan>& spans);

 private:
  std::span<std::byte> area_;
  uint64_t used_ = 0;
};

/// Reads `rows` values of `type` into the flat vector `out`, from its row `out_first` on. Trusts nothing: `area` may be
/// changed by another process at any time, so each byte is copied once and checked as copied. Errors: function_result,
/// naming what is wrong.
Result<> read_arrow(std::span<const std::byte> area, std::span<const ArrowSpan> spans, int64_t rows, Vector& out,
                    int64_t out_first);

}  // namespace headrace
