#include "duck/sort_key.h"

#include <cstring>
#include <duckdb/function/create_sort_key.hpp>

#include "duck/rows.h"

namespace headrace {

size_t sort_key_width(const std::vector<LogicalType>& types) {
  size_t bytes = 0;
  for (const LogicalType& type : types) {
    const size_t width = fixed_width(type);
    if (width == 0) return 0;
    bytes += 1 + width;  // A byte says whether the value is NULL.
  }
  return bytes;
}

SortKeys::SortKeys(DataChunk& columns, const std::vector<SortDirection>& directions, size_t width)
    : width_(width), keys_(LogicalType::BLOB, std::max<size_t>(columns.size(), 1)) {
  using duckdb::string_t;
  auto* keys = duckdb::FlatVector::GetData<string_t>(keys_);
  if (directions.empty()) {
    std::fill_n(keys, columns.size(), string_t("", 0));
    return;
  }
  duckdb::vector<duckdb::OrderModifiers> modifiers;
  for (const SortDirection& direction : directions)
    modifiers.emplace_back(
        direction.descending ? duckdb::OrderType::DESCENDING : duckdb::OrderType::ASCENDING,
        direction.nulls_first ? duckdb::OrderByNullType::NULLS_FIRST : duckdb::OrderByNullType::NULLS_LAST);
  duckdb::CreateSortKeyHelpers::CreateSortKey(columns, modifiers, keys_);
  keys_.Flatten(columns.size());
  if (width == 0) return;
  keys = duckdb::FlatVector::GetData<string_t>(keys_);
  padded_.resize(columns.size() * width);
  for (size_t row = 0; row < columns.size(); ++row)
    std::memcpy(padded_.data() + row * width, keys[row].GetData(), keys[row].GetSize());
}

}  // namespace headrace
