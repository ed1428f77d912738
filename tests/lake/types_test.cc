// Every type that the lake takes, written by the engine and read by two other programs.
#include <cmath>
#include <limits>

#include "base/process.h"
#include "lake/lake_fixture.h"

namespace headrace {
namespace {

using duckdb::Value;

struct TypeCase {
  const char* name;
  LogicalType type;
  std::vector<const char*> texts;  // A value per row; nullptr = NULL.
};

std::vector<TypeCase> cases() {
  auto structure = LogicalType::STRUCT({{"x", LogicalType::INTEGER}, {"y z", LogicalType::VARCHAR}});
  const char* long_text =
      "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\xf0\x9f\x98\x80zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
      "zzzzzzzz"
      "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
      "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";
  return {
      {"b", LogicalType::BOOLEAN, {"true", "false", nullptr}},
      {"i8", LogicalType::TINYINT, {"-128", "127", nullptr}},
      {"i32", LogicalType::INTEGER, {"-2147483648", "2147483647", nullptr}},
      {"i64", LogicalType::BIGINT, {"-9223372036854775808", "9223372036854775807", nullptr}},
      {"u64", LogicalType::UBIGINT, {"18446744073709551615", "0", nullptr}},
      {"f32", LogicalType::FLOAT, {"0.1", "-3.4e38", nullptr}},
      {"f64", LogicalType::DOUBLE, {"0.1", "-1.7976931348623157e308", nullptr}},
      {"nan", LogicalType::DOUBLE, {"nan", "-0.0", "inf"}},
      {"d12", LogicalType::DECIMAL(12, 2), {"-1234567890.12", "0.01", nullptr}},
      {"d38", LogicalType::DECIMAL(38, 4), {"9999999999999999999999999999999999.9999", "-0.0001", nullptr}},
      {"s", LogicalType::VARCHAR, {"", "zz\xc3\xa9 a text of more than sixteen characters", nullptr}},
      {"long",
       LogicalType::VARCHAR,
       {long_text,
        "\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf"
        "\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f"
        "\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf",
        nullptr}},
      {"bytes", LogicalType::BLOB, {"\\x00\\xFF", "ab", nullptr}},
      {"u",
       LogicalType::UUID,
       {"00000000-0000-0000-0000-000000000001", "ffffffff-ffff-ffff-ffff-ffffffffffff", nullptr}},
      {"day", LogicalType::DATE, {"0001-01-01", "9999-12-31", nullptr}},
      {"t", LogicalType::TIME, {"00:00:00", "23:59:59.999999", nullptr}},
      {"ts", LogicalType::TIMESTAMP, {"1969-12-31 23:59:59.999999", "2026-01-01 00:00:00.5", nullptr}},
      {"ts_ms", LogicalType::TIMESTAMP_MS, {"1969-12-31 23:59:59.999", "2026-01-01 00:00:00.5", nullptr}},
      {"tz", LogicalType::TIMESTAMP_TZ, {"1969-12-31 23:59:59.999999+00", "2026-01-01 00:00:00.5+02", nullptr}},
      {"l", LogicalType::LIST(LogicalType::BIGINT), {"[1, NULL, 3]", "[]", nullptr}},
      {"st", structure, {"{'x': 1, 'y z': a}", "{'x': NULL, 'y z': NULL}", nullptr}},
      {"m", LogicalType::MAP(LogicalType::VARCHAR, LogicalType::BIGINT), {"{a=1, b=NULL}", "{}", nullptr}},
      {"odd \" name", LogicalType::INTEGER, {"1", "2", nullptr}},
  };
}

TEST_F(LakeTest, every_type_is_read_alike_by_others_and_found_by_its_value) {
  std::vector<TypeCase> types = cases();
  std::vector<Field> fields;
  for (const TypeCase& each : types) fields.push_back({each.name, each.type});
  schema = std::make_shared<const Schema>(std::move(fields));
  auto sink = make_sink(options(), schema);
  Result<> opened = open(*sink, {});
  ASSERT_TRUE(opened.ok()) << opened.error().text();
  Checkpoint checkpoint;
  for (size_t row = 0; row < 3; ++row) {  // A file per row, and one of all: bounds of one value, and of several.
    for (size_t rows : {1, 3}) {
      Batch batch = Batch::make(schema);
      for (size_t i = 0; i < rows; ++i)
        for (size_t column = 0; column < types.size(); ++column) {
          const char* text = types[column].texts[(row + i) % 3];
          Value value = text == nullptr ? Value(types[column].type) : Value(text).DefaultCastAs(types[column].type);
          batch.chunk.SetValue(column, i, value);
        }
      batch.chunk.SetCardinality(rows);
      ASSERT_TRUE(sink->write(batch).ok());
      checkpoint = prepare(*sink, checkpoint, {});
      Result<> landed = commit(*sink, checkpoint);
      ASSERT_TRUE(landed.ok()) << landed.error().text();
    }
  }
  auto reader = Process::start(
      {.arguments = {interpreter(), (repository() / "tests/lake/read_back.py").string(), warehouse(), "lake.t"}});
  ASSERT_TRUE(reader.ok()) << reader.error().text();
  auto ended = reader->wait(120'000);
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->text(), "exit code 0");
}

TEST_F(LakeTest, partitions_by_day_and_value_are_found) {
  schema = std::make_shared<const Schema>(std::vector<Field>{{"k", LogicalType::BIGINT},
                                                             {"ts", LogicalType::TIMESTAMP_TZ},
                                                             {"day", LogicalType::DATE},
                                                             {"c", LogicalType::VARCHAR}});
  IcebergSinkOptions chosen = options();
  chosen.partitioned_by = {{"ts", true}, {"day"}, {"c"}};
  auto sink = make_sink(chosen, schema);
  ASSERT_TRUE(open(*sink, {}).ok());
  Batch batch = Batch::make(schema);
  const char* moments[] = {"2026-01-01 23:30:00-01", "1969-12-31 12:00:00+00", nullptr, "2026-01-01 00:00:00+00"};
  for (size_t i = 0; i < 4; ++i) {
    LogicalType moment = LogicalType::TIMESTAMP_TZ;
    batch.chunk.SetValue(0, i, Value::BIGINT(static_cast<int64_t>(i)));
    batch.chunk.SetValue(1, i, moments[i] == nullptr ? Value(moment) : Value(moments[i]).DefaultCastAs(moment));
    batch.chunk.SetValue(2, i, Value("1969-12-31").DefaultCastAs(LogicalType::DATE));
    batch.chunk.SetValue(3, i, i == 1 ? Value(LogicalType::VARCHAR) : Value("it's"));
  }
  batch.chunk.SetCardinality(4);
  ASSERT_TRUE(sink->write(batch).ok());
  Result<> landed = commit(*sink, prepare(*sink, {}, {}));
  ASSERT_TRUE(landed.ok()) << landed.error().text();
  EXPECT_EQ(files_on_disk(), 4u);
  auto reader = Process::start(
      {.arguments = {interpreter(), (repository() / "tests/lake/read_back.py").string(), warehouse(), "lake.t"}});
  EXPECT_EQ(reader->wait(120'000)->text(), "exit code 0");
}

}  // namespace
}  // namespace headrace
