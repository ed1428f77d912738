// Sort keys: bytes that compare as rows sort, whatever their types (DuckDB's encoding).
#pragma once

#include <string_view>
#include <vector>

#include "duck/chunk.h"

namespace headrace {

struct SortDirection {
  bool descending = false;
  bool nulls_first = false;
};

/// The bytes of every key over columns of these types, or 0 when they differ from row to row.
size_t sort_key_width(const std::vector<LogicalType>& types);

/// The keys of the rows of one chunk.
class SortKeys {
 public:
  /// `columns` in the order of their weight, with a direction each; none: all rows are equal. `width` is their
  /// sort_key_width.
  SortKeys(DataChunk& columns, const std::vector<SortDirection>& directions, size_t width);

  std::string_view operator[](size_t row) const {
    if (width_ > 0) return {padded_.data() + row * width_, width_};
    const auto& key = duckdb::FlatVector::GetData<duckdb::string_t>(keys_)[row];
    return {key.GetData(), key.GetSize()};
  }
  /// The keys as a BLOB column; only where their width differs.
  Vector& column() { return keys_; }

 private:
  size_t width_;
  Vector keys_;
  std::vector<char> padded_;  ///< A key with a NULL is shorter; zeroes behind it change no comparison.
};

}  // namespace headrace
