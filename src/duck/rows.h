// Moving single values between vectors and rows: copying, comparing, hashing. The state room's use of DuckDB's vectors.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "duck/chunk.h"

namespace headrace {

/// Bytes of a value of this type in a row, or 0 when it is held as a text.
size_t fixed_width(const LogicalType& type);
/// True for VARCHAR and BLOB, whose bytes are the text itself; other types without a fixed width
/// are held as value_bytes().
bool is_text(const LogicalType& type);

/// Hashes rows over all columns of `columns`, NULLs equal. `out` has rows_per_batch places.
void hash_rows(DataChunk& columns, uint64_t* out);

/// Which rows of `a` and `b` (same types and size) are equal in all columns from `first_column` on; NULLs and NaNs are
/// equal.
std::vector<uint8_t> equal_rows(DataChunk& a, DataChunk& b, size_t first_column);

/// Raises lengths[row] to the number of elements of list `row` (0 for NULL); `lists` is of type LIST.
void longest_lists(Vector& lists, size_t count, std::vector<uint64_t>& lengths);
/// Writes element elements[i] of list rows[i] into out[i], NULL behind a list's end. `count` lists stand in `lists`.
void take_elements(Vector& lists, size_t count, const std::vector<uint32_t>& rows,
                   const std::vector<uint64_t>& elements, Vector& out);

}  // namespace headrace
