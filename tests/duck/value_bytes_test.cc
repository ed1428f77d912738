#include "duck/value_bytes.h"

#include <gtest/gtest.h>

#include <duckdb/common/exception.hpp>

namespace headrace {
namespace {

using duckdb::Value;

LogicalType payments() {
  return LogicalType::LIST(
      LogicalType::STRUCT({{"at", LogicalType::TIMESTAMP},
                           {"shop", LogicalType::VARCHAR},
                           {"marks", LogicalType::ARRAY(LogicalType::SMALLINT, 2)},
                           {"more", LogicalType::MAP(LogicalType::VARCHAR, LogicalType::DOUBLE)}}));
}

Value payment(int64_t at, Value shop, Value marks) {
  return Value::STRUCT(duckdb::ListType::GetChildType(payments()),
                       {Value::TIMESTAMP(duckdb::timestamp_t(at)), std::move(shop), std::move(marks),
                        Value::MAP(LogicalType::VARCHAR, LogicalType::DOUBLE, {Value("a"), Value("b")},
                                   {Value::DOUBLE(0.5), Value(LogicalType::DOUBLE)})});
}

Value marks(int16_t a, int16_t b) {
  return Value::ARRAY(LogicalType::SMALLINT, {Value::SMALLINT(a), Value::SMALLINT(b)});
}

/// Five lists of payments: two, none, NULL, one with NULLs in it, and one whose only element is NULL.
Vector lists_of_payments() {
  const LogicalType one = duckdb::ListType::GetChildType(payments());
  Vector out(payments(), 5);
  out.SetValue(0, Value::LIST(one, {payment(1, Value("a shop with a long name"), marks(1, 2)),
                                    payment(2, Value("b"), marks(3, 4))}));
  out.SetValue(1, Value::LIST(one, duckdb::vector<Value>{}));
  out.SetValue(2, Value(payments()));
  out.SetValue(
      3,
      Value::LIST(one, {payment(3, Value(LogicalType::VARCHAR), Value(LogicalType::ARRAY(LogicalType::SMALLINT, 2)))}));
  out.SetValue(4, Value::LIST(one, {Value(one)}));
  return out;
}

TEST(ValueBytes, make_the_values_again) {
  const Vector before = lists_of_payments();
  Vector after(payments(), 5);
  for (size_t row : {4, 2, 0, 1, 3}) value_from_bytes(value_bytes(before, row), after, row);
  for (size_t row = 0; row < 5; ++row) EXPECT_EQ(after.GetValue(row).ToString(), before.GetValue(row).ToString());
}

TEST(ValueBytes, are_the_same_through_dictionaries_and_constants) {
  Vector flat = lists_of_payments();
  duckdb::SelectionVector selection(2);
  selection.set_index(0, 3);
  selection.set_index(1, 0);
  const Vector sliced(flat, selection, 2);
  EXPECT_EQ(value_bytes(sliced, 0), value_bytes(flat, 3));
  EXPECT_EQ(value_bytes(sliced, 1), value_bytes(flat, 0));
  const Vector constant(flat.GetValue(0));
  EXPECT_EQ(value_bytes(constant, 1), value_bytes(flat, 0));
}

TEST(ValueBytes, of_sliced_structs_are_those_of_their_rows) {
  const LogicalType inner = LogicalType::STRUCT({{"n", LogicalType::INTEGER}});
  const LogicalType type = LogicalType::STRUCT({{"name", LogicalType::VARCHAR}, {"inner", inner}});
  Vector flat(type, 4);
  for (int row = 0; row < 4; ++row)
    flat.SetValue(row, row == 2 ? Value(type)
                                : Value::STRUCT(type, {Value("row " + std::to_string(row)),
                                                       Value::STRUCT(inner, {Value::INTEGER(row)})}));
  duckdb::SelectionVector first(3), second(2);
  for (size_t i = 0; i < 3; ++i) first.set_index(i, 3 - i);
  for (size_t i = 0; i < 2; ++i) second.set_index(i, 2 * (1 - i));
  Vector once(flat, first, 3);          // 3, 2, 1
  const Vector twice(once, second, 2);  // 1, 3
  const Vector constant(flat.GetValue(1));
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(value_bytes(once, i), value_bytes(flat, 3 - i)) << i;
  EXPECT_EQ(value_bytes(twice, 0), value_bytes(flat, 1));
  EXPECT_EQ(value_bytes(twice, 1), value_bytes(flat, 3));
  EXPECT_EQ(value_bytes(constant, 3), value_bytes(flat, 1));
}

TEST(ValueBytes, differ_for_some_values_that_are_equal) {
  const LogicalType doubles = LogicalType::LIST(LogicalType::DOUBLE), times = LogicalType::LIST(LogicalType::INTERVAL);
  auto bytes = [](const Value& value) { return value_bytes(Vector(value), 0); };
  auto list = [](const Value& value) { return Value::LIST({value}); };
  EXPECT_TRUE(same_value(doubles, bytes(list(Value::DOUBLE(0.0))), bytes(list(Value::DOUBLE(-0.0)))));
  EXPECT_FALSE(same_value(doubles, bytes(list(Value::DOUBLE(0.0))), bytes(list(Value::DOUBLE(1.0)))));
  EXPECT_TRUE(same_value(times, bytes(list(Value::INTERVAL(1, 0, 0))), bytes(list(Value::INTERVAL(0, 30, 0)))));
}

TEST(ValueBytes, damaged_are_refused_wherever_they_end) {
  const std::string whole = value_bytes(lists_of_payments(), 0);
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    Vector out(payments(), 1);
    EXPECT_THROW(value_from_bytes(std::string_view(whole).substr(0, bytes), out, 0), duckdb::SerializationException);
  }
  Vector out(payments(), 1);
  EXPECT_THROW(value_from_bytes(whole + '\0', out, 0), duckdb::SerializationException);
}

}  // namespace
}  // namespace headrace
