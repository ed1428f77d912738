// A block of a table as it is saved. Little-endian, 4-byte words unless said otherwise:
//
//   row width in bytes | 0 = whole, 1 = changes | number of text columns | the offset of each in a row |
//   used rows, 1,024 bits | changed rows, 1,024 bits (changes only) | the rows | their long texts
//
// A whole image holds every used row, an image of changes every changed row that is still used; both in order of the
// slots. A row is its bytes as in memory (table.h). A text of up to 12 bytes lies in its row; the bytes of longer ones
// follow after all rows, in order of rows, then columns.
#pragma once

#include <array>
#include <bit>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace headrace {

inline constexpr uint32_t rows_per_block = 1024;
/// One bit per row of a block.
using RowBits = std::array<uint64_t, rows_per_block / 64>;

inline bool has_bit(const RowBits& bits, uint32_t row) {
  return bits[row / 64] >> (row % 64) & 1;
}

inline size_t count_bits(const RowBits& bits) {
  size_t count = 0;
  for (uint64_t word : bits) count += static_cast<size_t>(std::popcount(word));
  return count;
}

/// A saved row: its bytes, and those of its long texts one after the other.
struct SavedRow {
  std::string_view bytes, texts;
};

/// What an image is made of.
struct ImageHeader {
  uint32_t width = 0;
  bool whole = true;
  std::vector<uint32_t> text_offsets;
  RowBits used{}, changed{};

  /// True when the image has the bytes of this row.
  bool has_row(uint32_t slot) const { return has_bit(used, slot) && (whole || has_bit(changed, slot)); }
};

/// Refers to the bytes it was read from.
struct BlockImage {
  ImageHeader header;
  std::array<SavedRow, rows_per_block> rows;  ///< By slot; without bytes where the image has none.

  /// Errors: corrupt_state.
  static Result<BlockImage> read(std::string_view bytes);
  /// Takes over what a later image says.
  void apply(BlockImage&& later);
  std::string write() const;
};

/// Starts an image's bytes; rows and texts are to be appended.
std::string image_start(const ImageHeader& header);
/// How many rows a block has behind this image; 0 when its head is damaged.
size_t used_rows(std::string_view image);
/// The image that says what these say one after the other. Errors: corrupt_state.
Result<BlockImage> fold(const std::vector<std::string_view>& images);

}  // namespace headrace
