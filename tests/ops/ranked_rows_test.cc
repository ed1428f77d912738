// Rows in order: any sequence of additions and removals leaves what sorting leaves, before and after a restore.
#include "ops/ranked_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "ops/keys.h"

namespace headrace {
namespace {

using duckdb::Value;

struct Kept {
  int64_t key;
  Value order;
  int64_t number;
};

/// The group's numbers as RankedRows has them.
std::vector<int64_t> numbers_of(const RankedRows& rows, Slot group) {
  std::vector<Slot> slots;
  rows.first(group, rows.size(group), slots);
  std::vector<int64_t> out;
  for (Slot slot : slots) {
    Vector number(LogicalType::BIGINT);
    rows.rows().gather(2, &slot, 1, number);
    out.push_back(number.GetValue(0).GetValue<int64_t>());
  }
  return out;
}

struct OrderCase {
  LogicalType type;
  bool descending, nulls_first, last_first;
};

class RankedRowsOrder : public testing::TestWithParam<OrderCase> {
 protected:
  RankedRows::Spec spec() const {
    const OrderCase& with = GetParam();
    RankedRows::Spec out;
    out.name = "kept";
    out.columns = {LogicalType::BIGINT, with.type, LogicalType::BIGINT};
    out.key = {0};
    out.order = {{1, with.descending, with.nulls_first}};
    out.last_first = with.last_first;
    return out;
  }

  Value random_order(std::mt19937& random) const {
    const int64_t value = std::uniform_int_distribution<int64_t>(-20, 20)(random);
    if (value == 0) return Value(GetParam().type);
    if (GetParam().type == LogicalType::VARCHAR) return Value("a long enough text " + std::to_string(value));
    return Value::BIGINT(value).DefaultCastAs(GetParam().type);
  }

  /// Adds one row; gives its group and slot.
  std::pair<Slot, Slot> add(RankedRows& rows, const Kept& row) const {
    Batch batch = Batch::make(std::make_shared<Schema>(
        std::vector<Field>{{"key", LogicalType::BIGINT}, {"order", GetParam().type}, {"number", LogicalType::BIGINT}}));
    batch.chunk.SetValue(0, 0, Value::BIGINT(row.key));
    batch.chunk.SetValue(1, 0, row.order);
    batch.chunk.SetValue(2, 0, Value::BIGINT(row.number));
    batch.chunk.SetCardinality(1);
    DataChunk keys;
    uint64_t hashes[STANDARD_VECTOR_SIZE];
    take_keys(batch, {0}, keys, hashes);
    Slot group, slot;
    rows.rows().find_or_create(keys, hashes, 1, &group);
    SortKeys order = rows.keys_of(batch.chunk);
    rows.add(batch.chunk, order, hashes, 1, &group, &slot);
    return {group, slot};
  }

  bool before(const Kept& a, const Kept& b) const {
    const OrderCase& with = GetParam();
    if (a.order.IsNull() != b.order.IsNull()) return a.order.IsNull() == with.nulls_first;
    if (!a.order.IsNull() && a.order != b.order) return with.descending ? a.order > b.order : a.order < b.order;
    return with.last_first ? a.number > b.number : a.number < b.number;
  }
};

TEST_P(RankedRowsOrder, IsThatOfSortingAfterAnyAdditionsAndRemovals) {
  std::mt19937 random(7);
  RankedRows rows(spec());
  std::vector<std::pair<Kept, Slot>> kept;
  std::map<int64_t, Slot> groups;
  for (int64_t number = 0; number < 2000; ++number) {
    Kept row{static_cast<int64_t>(random() % 3), random_order(random), number};
    auto [group, slot] = add(rows, row);
    groups[row.key] = group;
    kept.emplace_back(row, slot);
    if (random() % 3 == 0) {
      const size_t place = random() % kept.size();
      rows.remove(kept[place].second);
      rows.forget(kept[place].second);
      kept.erase(kept.begin() + static_cast<long>(place));
    }
  }
  auto expect_sorted = [&](const RankedRows& held) {
    for (const auto& [key, group] : groups) {
      std::vector<Kept> sorted;
      for (const auto& [row, slot] : kept)
        if (row.key == key) sorted.push_back(row);
      std::sort(sorted.begin(), sorted.end(), [&](const Kept& a, const Kept& b) { return before(a, b); });
      std::vector<int64_t> expected;
      for (const Kept& row : sorted) expected.push_back(row.number);
      EXPECT_EQ(numbers_of(held, group), expected);
      EXPECT_EQ(held.size(group), expected.size());
    }
  };
  expect_sorted(rows);
  rows.restored();
  expect_sorted(rows);
}

INSTANTIATE_TEST_SUITE_P(Orders, RankedRowsOrder,
                         testing::Values(OrderCase{LogicalType::BIGINT, false, false, false},
                                         OrderCase{LogicalType::DOUBLE, true, false, true},
                                         OrderCase{LogicalType::VARCHAR, false, true, false},
                                         OrderCase{LogicalType::VARCHAR, true, false, false}));

}  // namespace
}  // namespace headrace
