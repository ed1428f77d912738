#include "duck/lists.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

using duckdb::Value;

std::unique_ptr<DataChunk> rows_of(const std::vector<std::vector<Value>>& rows,
                                   const duckdb::vector<LogicalType>& types) {
  auto out = std::make_unique<DataChunk>();
  out->Initialize(duckdb::Allocator::DefaultAllocator(), types, std::max<size_t>(rows.size(), 1));
  for (size_t row = 0; row < rows.size(); ++row)
    for (size_t column = 0; column < types.size(); ++column) out->SetValue(column, row, rows[row][column]);
  out->SetCardinality(rows.size());
  return out;
}

TEST(Lists, are_the_rows_of_their_groups) {
  auto held = rows_of({{Value("a")}, {Value("b")}, {Value(LogicalType::VARCHAR)}}, {LogicalType::VARCHAR});
  Vector lists(LogicalType::LIST(LogicalType::VARCHAR), 3);
  make_lists(held->data[0], {2, 0, 1}, {2, 2, 3}, lists);
  EXPECT_EQ(lists.GetValue(0).ToString(), "[NULL, a]");
  EXPECT_EQ(lists.GetValue(1).ToString(), "[]");
  EXPECT_EQ(lists.GetValue(2).ToString(), "[b]");
}

TEST(Lists, of_no_rows_are_empty) {
  auto held = rows_of({}, {LogicalType::BIGINT});
  Vector lists(LogicalType::LIST(LogicalType::BIGINT), 2);
  make_lists(held->data[0], {}, {0, 0}, lists);
  EXPECT_EQ(lists.GetValue(1).ToString(), "[]");
}

TEST(Lists, groups_are_sorted_each_by_itself) {
  const Value null(LogicalType::BIGINT);
  auto held = rows_of({{Value::BIGINT(3), Value("a")},
                       {null, Value("b")},
                       {Value::BIGINT(-1), Value("c")},
                       {Value::BIGINT(2), Value("x")},
                       {Value::BIGINT(2), Value("w")},
                       {Value::BIGINT(2), Value("x")}},
                      {LogicalType::BIGINT, LogicalType::VARCHAR});
  std::vector<uint32_t> ends{3, 6};
  EXPECT_EQ(sorted_in_groups(*held, ends, {}, false), (std::vector<uint32_t>{2, 0, 1, 4, 3, 5}));
  EXPECT_EQ(sorted_in_groups(*held, ends, {{{}, true, false}}, false), (std::vector<uint32_t>{0, 2, 1, 4, 3, 5}));
  EXPECT_EQ(sorted_in_groups(*held, ends, {}, true), (std::vector<uint32_t>{2, 0, 1, 4, 3}));
  EXPECT_EQ(ends, (std::vector<uint32_t>{3, 5}));
}

TEST(Lists, sort_more_rows_than_a_vector_holds) {
  std::vector<std::vector<Value>> values;
  for (int64_t i = 0; i < 5000; ++i) values.push_back({Value::DOUBLE(static_cast<double>((i * 7919) % 5000))});
  auto held = rows_of(values, {LogicalType::DOUBLE});
  sort_rows(*held, {}, true);
  ASSERT_EQ(held->size(), 5000U);
  for (int64_t i = 0; i < 5000; ++i) ASSERT_EQ(held->GetValue(0, i).GetValue<double>(), static_cast<double>(i));
}

}  // namespace
}  // namespace headrace
