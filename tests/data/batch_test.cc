#include "data/batch.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

using duckdb::Value;

/// Rows (number, text, list) for each number: with the number 0 for NULL, and texts both short and long.
Batch numbers(const std::vector<int32_t>& of) {
  static const SchemaRef schema =
      std::make_shared<Schema>(std::vector<Field>{{"number", LogicalType::INTEGER},
                                                  {"text", LogicalType::VARCHAR},
                                                  {"list", LogicalType::LIST(LogicalType::INTEGER)}});
  Batch out = Batch::make(schema, of.size());
  for (size_t row = 0; row < of.size(); ++row) {
    out.chunk.data[0].SetValue(row, of[row] == 0 ? Value(LogicalType::INTEGER) : Value::INTEGER(of[row]));
    out.chunk.data[1].SetValue(row, Value(std::string(static_cast<size_t>(of[row]), 'x')));
    out.chunk.data[2].SetValue(row, Value::LIST(LogicalType::INTEGER, {Value::INTEGER(of[row]), Value::INTEGER(7)}));
  }
  out.chunk.SetCardinality(of.size());
  return out;
}

std::vector<std::string> told(const Batch& batch) {
  std::vector<std::string> out;
  for (duckdb::idx_t row = 0; row < batch.chunk.size(); ++row)
    out.push_back(batch.chunk.data[0].GetValue(row).ToString() + " " + batch.chunk.data[1].GetValue(row).ToString() +
                  " " + batch.chunk.data[2].GetValue(row).ToString() + " " +
                  std::to_string(batch.diff(static_cast<int64_t>(row))));
  return out;
}

TEST(Batch, CopyOutlivesWhatItWasMadeOf) {
  Batch copy;
  {
    Batch batch = numbers({1, 0, 20});
    batch.diffs = {1, -1, 1};
    batch.stamps_ms = {5, 6, 7};
    batch.ordinal = Ordinal{9};
    copy = batch.slice({1, 2}).copy();
  }
  EXPECT_EQ(told(copy), (std::vector<std::string>{"NULL  [0, 7] -1", "20 xxxxxxxxxxxxxxxxxxxx [20, 7] 1"}));
  EXPECT_EQ(copy.stamps_ms, (std::vector<int64_t>{6, 7}));
  EXPECT_EQ(copy.ordinal, Ordinal{9});
}

TEST(Batch, AppendMakesRoom) {
  Batch batch = numbers({1}).copy();
  std::vector<std::string> expected = told(batch);
  for (int32_t i = 0; i < 300; ++i) {
    const Batch more = numbers({i, i + 1, i + 2});
    batch.append(more, {0, 2});
    for (const std::string& row : told(more.slice({0, 2}))) expected.push_back(row);
  }
  EXPECT_EQ(told(batch), expected);
}

TEST(Batch, AppendKeepsDiffsOfEither) {
  Batch batch = numbers({1, 2}).copy();
  Batch retractions = numbers({3, 4});
  retractions.diffs = {-1, -2};
  batch.append(retractions, {1});
  batch.append(numbers({5}), {0});
  EXPECT_EQ(batch.diffs, (std::vector<int32_t>{1, 1, -2, 1}));
}

TEST(Batch, RoomForNoRowsIsABatch) {
  const Batch empty = numbers({});
  EXPECT_EQ(empty.copy().rows(), 0);
}

}  // namespace
}  // namespace headrace
