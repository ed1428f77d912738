#include "ops/arrival_order.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

struct Row {
  int64_t number, stamp;
};

Batch batch_of(const std::vector<Row>& rows, uint64_t ordinal, const std::vector<int32_t>& diffs = {}) {
  static const auto schema = std::make_shared<Schema>(std::vector<Field>{{"n", LogicalType::BIGINT}});
  Batch out = Batch::make(schema);
  for (size_t i = 0; i < rows.size(); ++i) {
    out.chunk.data[0].SetValue(i, duckdb::Value::BIGINT(rows[i].number));
    out.stamps_ms.push_back(rows[i].stamp);
  }
  out.chunk.SetCardinality(rows.size());
  out.diffs = diffs;
  out.ordinal = Ordinal{ordinal};
  return out;
}

std::vector<std::vector<Batch>> sent(std::vector<Batch> a, std::vector<Batch> b) {
  std::vector<std::vector<Batch>> out;
  out.push_back(std::move(a));
  out.push_back(std::move(b));
  return out;
}

std::vector<Batch> one(Batch batch) {
  std::vector<Batch> out;
  out.push_back(std::move(batch));
  return out;
}

std::vector<std::vector<int64_t>> numbers(const std::vector<Batch>& batches) {
  std::vector<std::vector<int64_t>> out;
  for (const Batch& batch : batches) {
    out.emplace_back();
    for (int64_t row = 0; row < batch.rows(); ++row)
      out.back().push_back(batch.chunk.GetValue(0, static_cast<size_t>(row)).GetValue<int64_t>());
  }
  return out;
}

using Numbers = std::vector<std::vector<int64_t>>;

TEST(InArrivalOrder, BatchesAreInOrderOfTheirOrdinals) {
  auto got = in_arrival_order(sent(one(batch_of({{1, 10}}, 7)), one(batch_of({{2, 90}}, 3))));
  EXPECT_EQ(numbers(got), (Numbers{{2}, {1}}));
}

TEST(InArrivalOrder, RowsOfOneOrdinalAreMergedByTheirStamps) {
  auto got =
      in_arrival_order(sent(one(batch_of({{1, 10}, {4, 40}}, 7)), one(batch_of({{2, 20}, {3, 30}, {5, 50}}, 7))));
  EXPECT_EQ(numbers(got), (Numbers{{1, 2, 3, 4, 5}}));
  EXPECT_EQ(got[0].stamps_ms, (std::vector<int64_t>{10, 20, 30, 40, 50}));
}

TEST(InArrivalOrder, WhatOneSenderSentKeepsItsOrder) {
  // A stamp that falls back behind its neighbour, and a change of two rows: -1 before +1.
  auto got = in_arrival_order(
      sent(one(batch_of({{1, 30}, {2, 10}, {3, 30}}, 7)), one(batch_of({{4, 20}, {5, 20}}, 7, {-1, +1}))));
  EXPECT_EQ(numbers(got), (Numbers{{4, 5, 1, 2, 3}}));
  EXPECT_EQ(got[0].diffs, (std::vector<int32_t>{-1, 1, 1, 1, 1}));
}

TEST(InArrivalOrder, WhatIsInOrderAlreadyIsLeftAsItIs) {
  auto got = in_arrival_order(sent(one(batch_of({{1, 10}, {2, 20}}, 7)), one(batch_of({{3, 20}}, 7))));
  EXPECT_EQ(numbers(got), (Numbers{{1, 2}, {3}}));
}

TEST(InArrivalOrder, MergedRowsComeInBatchesOfTheUsualSize) {
  std::vector<Row> even, odd;
  for (int64_t n = 0; n < rows_per_batch; ++n) {
    even.push_back({2 * n, 2 * n});
    odd.push_back({2 * n + 1, 2 * n + 1});
  }
  auto got = numbers(in_arrival_order(sent(one(batch_of(even, 7)), one(batch_of(odd, 7)))));
  ASSERT_EQ(got.size(), 2u);
  for (int64_t n = 0; n < 2 * rows_per_batch; ++n)
    EXPECT_EQ(got[static_cast<size_t>(n / rows_per_batch)][static_cast<size_t>(n % rows_per_batch)], n);
}

}  // namespace
}  // namespace headrace
