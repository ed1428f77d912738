#include "duck/arrow.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

namespace headrace {
namespace {

using duckdb::Value;

/// One of each shape, and nested ones.
std::vector<LogicalType> all_types() {
  const LogicalType text = LogicalType::VARCHAR;
  const LogicalType point = LogicalType::STRUCT({{"x", LogicalType::DOUBLE}, {"tags", LogicalType::LIST(text)}});
  return {LogicalType::BOOLEAN,
          LogicalType::TINYINT,
          LogicalType::USMALLINT,
          LogicalType::INTEGER,
          LogicalType::BIGINT,
          LogicalType::FLOAT,
          LogicalType::DATE,
          LogicalType::TIME,
          LogicalType::TIMESTAMP,
          LogicalType::TIMESTAMP_TZ,
          LogicalType::DECIMAL(4, 1),
          LogicalType::DECIMAL(9, 2),
          LogicalType::DECIMAL(18, 0),
          LogicalType::DECIMAL(38, 18),
          text,
          LogicalType::BLOB,
          LogicalType::LIST(LogicalType::BIGINT),
          LogicalType::LIST(LogicalType::LIST(LogicalType::BOOLEAN)),
          LogicalType::MAP(text, LogicalType::DECIMAL(9, 2)),
          point,
          LogicalType::LIST(point)};
}

Value random_value(const LogicalType& type, std::mt19937& random) {
  if (random() % 5 == 0) return Value(type);
  const auto number = static_cast<int64_t>(random() % 199) - 99;
  switch (type.id()) {
    case LogicalTypeId::VARCHAR:
      return Value(std::string(random() % 30, 'a' + static_cast<char>(random() % 26)) + (number > 0 ? "é" : ""));
    case LogicalTypeId::BLOB:
      return Value::BLOB("\\xFF" + std::string(random() % 20, 'b'));
    case LogicalTypeId::DATE:
      return Value::DATE(duckdb::date_t(static_cast<int32_t>(number)));
    case LogicalTypeId::TIME:
      return Value::TIME(duckdb::dtime_t(number + 100));
    case LogicalTypeId::TIMESTAMP:
      return Value::TIMESTAMP(duckdb::timestamp_t(number));
    case LogicalTypeId::TIMESTAMP_TZ:
      return Value::TIMESTAMPTZ(duckdb::timestamp_tz_t(number));
    case LogicalTypeId::USMALLINT:
      return Value::USMALLINT(static_cast<uint16_t>(number + 100));
    case LogicalTypeId::LIST: {
      duckdb::vector<Value> items;
      for (auto left = random() % 4; left > 0; --left)
        items.push_back(random_value(duckdb::ListType::GetChildType(type), random));
      return Value::LIST(duckdb::ListType::GetChildType(type), std::move(items));
    }
    case LogicalTypeId::MAP: {
      duckdb::vector<Value> keys, values;
      for (auto left = random() % 4; left > 0; --left) {
        keys.emplace_back("key " + std::to_string(left));
        values.push_back(random_value(duckdb::MapType::ValueType(type), random));
      }
      return Value::MAP(duckdb::MapType::KeyType(type), duckdb::MapType::ValueType(type), std::move(keys),
                        std::move(values));
    }
    case LogicalTypeId::STRUCT: {
      duckdb::child_list_t<Value> fields;
      for (const auto& field : duckdb::StructType::GetChildTypes(type))
        fields.emplace_back(field.first, random_value(field.second, random));
      return Value::STRUCT(std::move(fields));
    }
    default:
      return Value::BIGINT(number).DefaultCastAs(type);
  }
}

/// `rows` random values; as a dictionary over them in another order when `sliced`.
Vector random_vector(const LogicalType& type, int64_t rows, bool sliced, std::mt19937& random) {
  Vector values(type, static_cast<duckdb::idx_t>(std::max<int64_t>(rows, 1)));
  for (int64_t row = 0; row < rows; ++row) values.SetValue(row, random_value(type, random));
  if (!sliced) return values;
  duckdb::SelectionVector selection(static_cast<duckdb::idx_t>(rows));
  for (int64_t row = 0; row < rows; ++row) selection.set_index(row, random() % rows);
  return Vector(values, selection, static_cast<duckdb::idx_t>(rows));
}

TEST(Arrow, what_is_written_is_read_again) {
  std::mt19937 random(7);
  std::vector<std::byte> area(1 << 20);
  for (const LogicalType& type : all_types()) {
    ASSERT_TRUE(has_arrow_layout(type));
    for (int64_t rows : {0, 1, 7, 8, 9, 300}) {
      Vector source = random_vector(type, rows, rows % 2 == 1, random);
      std::vector<ArrowSpan> spans;
      auto written = ArrowWriter(area).write(source, 0, rows, spans);
      ASSERT_TRUE(written.ok() && *written);
      EXPECT_EQ(spans.size(), arrow_span_count(type));
      Vector read(type, static_cast<duckdb::idx_t>(rows + 3));
      for (int64_t row = 0; row < rows + 3; ++row)
        read.SetValue(row, Value(type));  // What a vector held before does not shine through.
      auto outcome = read_arrow(area, spans, rows, read, 3);
      ASSERT_TRUE(outcome.ok()) << type.ToString() << ": " << outcome.error().message;
      for (int64_t row = 0; row < rows; ++row)
        ASSERT_EQ(read.GetValue(row + 3).ToString(), source.GetValue(row).ToString())
            << type.ToString() << " row " << row;
      EXPECT_TRUE(read.GetValue(2).IsNull());
    }
  }
}

TEST(Arrow, rows_are_taken_from_the_middle) {
  std::mt19937 random(8);
  std::vector<std::byte> area(1 << 20);
  for (const LogicalType& type : all_types()) {
    Vector source = random_vector(type, 50, false, random);
    std::vector<ArrowSpan> spans;
    ASSERT_TRUE(*ArrowWriter(area).write(source, 20, 25, spans));
    Vector read(type, 25);
    ASSERT_TRUE(read_arrow(area, spans, 25, read, 0).ok());
    for (int64_t row = 0; row < 25; ++row)
      ASSERT_EQ(read.GetValue(row).ToString(), source.GetValue(row + 20).ToString());
  }
}

TEST(Arrow, a_full_area_is_told_not_overrun) {
  std::mt19937 random(9);
  for (const LogicalType& type : all_types()) {
    Vector source = random_vector(type, 64, false, random);
    for (size_t bytes = 0; bytes < 400; bytes += 13) {
      std::vector<std::byte> area(bytes);  // Just as large: AddressSanitizer sees a byte too much.
      std::vector<ArrowSpan> spans;
      auto written = ArrowWriter(area).write(source, 0, 64, spans);
      ASSERT_TRUE(written.ok());
      for (const ArrowSpan& span : spans) EXPECT_LE(span.offset + span.bytes, bytes);
    }
  }
}

TEST(Arrow, spoiled_bytes_and_spans_are_errors_or_values) {
  std::mt19937 random(10);
  int refused = 0;
  for (const LogicalType& type : all_types()) {
    Vector source = random_vector(type, 40, false, random);
    std::vector<std::byte> area(16'384);
    std::vector<ArrowSpan> spans;
    ASSERT_TRUE(*ArrowWriter(area).write(source, 0, 40, spans));
    for (int round = 0; round < 300; ++round) {
      std::vector<std::byte> bytes = area;
      std::vector<ArrowSpan> places = spans;
      for (int change = 0; change < 4; ++change) {
        ArrowSpan& place = places[random() % places.size()];
        switch (random() % 5) {
          case 0:
            place.offset = random() % 20'000;
            break;
          case 1:
            place.bytes = random() % 20'000;
            break;
          case 2:
            place.bytes = (uint64_t{random()} << 32) | random();
            break;
          case 3:
            places.resize(random() % (places.size() + 1) + 1);
            break;
          default:
            for (int i = 0; i < 8; ++i) bytes[(place.offset + random() % 64) % bytes.size()] = std::byte(random());
        }
      }
      Vector read(type, 40);
      auto outcome = read_arrow(bytes, places, 40, read, 0);
      if (!outcome.ok()) {
        ++refused;
        EXPECT_EQ(outcome.error().code, Code::function_result);
        continue;
      }
      for (int64_t row = 0; row < 40; ++row) read.GetValue(row).ToString();  // Well formed: can be looked at.
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(Arrow, types_without_a_layout_are_named) {
  EXPECT_FALSE(has_arrow_layout(LogicalType::HUGEINT));
  EXPECT_FALSE(has_arrow_layout(LogicalType::INTERVAL));
  EXPECT_FALSE(has_arrow_layout(LogicalType::LIST(LogicalType::UUID)));
}

}  // namespace
}  // namespace headrace
