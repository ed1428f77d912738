#include "duck/lists.h"

#include <algorithm>
#include <duckdb/function/create_sort_key.hpp>
#include <numeric>

namespace headrace {
namespace {

using duckdb::string_t;

/// One text per row whose bytes compare as the rows do.
Vector sort_keys(DataChunk& rows, const std::vector<SortKey>& order) {
  duckdb::vector<duckdb::OrderModifiers> modifiers(
      rows.ColumnCount(), duckdb::OrderModifiers(duckdb::OrderType::ASCENDING, duckdb::OrderByNullType::NULLS_LAST));
  for (size_t i = 0; i < order.size(); ++i) {
    if (order[i].descending) modifiers[i].order_type = duckdb::OrderType::DESCENDING;
    if (order[i].nulls_first) modifiers[i].null_type = duckdb::OrderByNullType::NULLS_FIRST;
  }
  Vector keys(LogicalType::BLOB, std::max<size_t>(rows.size(), 1));
  rows.Flatten();
  duckdb::CreateSortKeyHelpers::CreateSortKey(rows, modifiers, keys);
  keys.Flatten(rows.size());
  return keys;
}

}  // namespace

void make_lists(const Vector& column, const std::vector<uint32_t>& order, const std::vector<uint32_t>& ends,
                Vector& out) {
  duckdb::SelectionVector selection(const_cast<uint32_t*>(order.data()));
  Vector items(column, selection, order.size());
  items.Flatten(order.size());
  duckdb::ListVector::GetEntry(out).Reference(items);
  duckdb::ListVector::SetListSize(out, order.size());
  auto* entries = duckdb::FlatVector::GetData<duckdb::list_entry_t>(out);
  for (size_t i = 0; i < ends.size(); ++i) {
    const uint32_t begin = i == 0 ? 0 : ends[i - 1];
    entries[i] = {begin, ends[i] - begin};
  }
}

std::vector<uint32_t> sorted_in_groups(DataChunk& rows, std::vector<uint32_t>& ends, const std::vector<SortKey>& order,
                                       bool distinct) {
  std::vector<uint32_t> numbers(rows.size()), out;
  if (numbers.empty()) return numbers;
  std::iota(numbers.begin(), numbers.end(), 0);
  const Vector keys = sort_keys(rows, order);
  const string_t* texts = duckdb::FlatVector::GetData<string_t>(keys);
  uint32_t begin = 0;
  for (uint32_t& end : ends) {
    auto first = numbers.begin() + begin, last = numbers.begin() + end;
    std::stable_sort(first, last, [&](uint32_t a, uint32_t b) { return texts[a] < texts[b]; });
    if (distinct) last = std::unique(first, last, [&](uint32_t a, uint32_t b) { return texts[a] == texts[b]; });
    out.insert(out.end(), first, last);
    begin = std::exchange(end, static_cast<uint32_t>(out.size()));
  }
  return out;
}

void sort_rows(DataChunk& rows, const std::vector<SortKey>& order, bool distinct) {
  std::vector<uint32_t> ends{static_cast<uint32_t>(rows.size())};
  std::vector<uint32_t> numbers = sorted_in_groups(rows, ends, order, distinct);
  rows.Slice(duckdb::SelectionVector(numbers.data()), numbers.size());
  rows.Flatten();
}

}  // namespace headrace
