// What NDJSON records become: values of every type, and broken records with their reasons.
#include <gtest/gtest.h>

#include <random>

#include "codec/decoder.h"
#include "codec/encoder.h"
#include "codec/records.h"

namespace headrace {
namespace {

SchemaRef schema_of(std::vector<Field> fields) {
  return std::make_shared<const Schema>(std::move(fields));
}

Decoded decode(const SchemaRef& schema, std::string_view bytes, std::string format = "ndjson",
               bool reject_extra = false) {
  DecoderConfig config;
  config.format = std::move(format);
  config.schema = config.declared = schema;
  config.reject_extra_fields = reject_extra;
  auto decoder = make_decoder(config);
  EXPECT_TRUE(decoder.ok()) << decoder.error().text();
  return (*decoder)->decode(bytes, "a.ndjson", 1);
}

/// The rows as NDJSON again.
std::string rows_of(const SchemaRef& schema, const Decoded& decoded) {
  EncoderConfig config;
  config.schema = schema;
  auto encoder = make_encoder(config);
  std::string out;
  for (const Batch& batch : decoded.batches) (*encoder)->encode(batch, out);
  return out;
}

std::string cell(const LogicalType& type, const std::string& json) {
  const SchemaRef schema = schema_of({{"v", type, true}});
  const Decoded decoded = decode(schema, "{\"v\":" + json + "}\n");
  if (!decoded.rejected.empty()) {
    return std::to_string(static_cast<int>(decoded.rejected[0].code)) + " " + decoded.rejected[0].reason;
  }
  std::string out = rows_of(schema, decoded);
  return out.substr(5, out.size() - 7);
}

TEST(Ndjson, ReadsEveryType) {
  EXPECT_EQ(cell(LogicalType::TINYINT, "-128"), "-128");
  EXPECT_EQ(cell(LogicalType::BIGINT, "9223372036854775807"), "9223372036854775807");
  EXPECT_EQ(cell(LogicalType::BIGINT, "-9223372036854775808"), "-9223372036854775808");
  EXPECT_EQ(cell(LogicalType::BIGINT, "5.0"), "5");
  EXPECT_EQ(cell(LogicalType::BIGINT, "12e2"), "1200");
  EXPECT_EQ(cell(LogicalType::UBIGINT, "18446744073709551615"), "18446744073709551615");
  EXPECT_EQ(cell(LogicalType::HUGEINT, "170141183460469231731687303715884105727"),
            "170141183460469231731687303715884105727");
  EXPECT_EQ(cell(LogicalType::DOUBLE, "1.5e300"), "1.5e+300");
  EXPECT_EQ(cell(LogicalType::DOUBLE, "\"NaN\""), "\"NaN\"");
  EXPECT_EQ(cell(LogicalType::DOUBLE, "-0.0"), "-0.0");
  EXPECT_EQ(cell(LogicalType::FLOAT, "0.1"), "0.1");
  EXPECT_EQ(cell(LogicalType::BOOLEAN, "true"), "true");
  EXPECT_EQ(cell(LogicalType::VARCHAR, "\"a\\u00e9\\n\\\"\""), "\"a\u00e9\\n\\\"\"");
  EXPECT_EQ(cell(LogicalType::VARCHAR, "1.50"), "\"1.50\"");
  EXPECT_EQ(cell(LogicalType::VARCHAR, "{\"x\": [1, 2]}"), "\"{\\\"x\\\": [1, 2]}\"");
  EXPECT_EQ(cell(LogicalType::DATE, "\"2024-02-29\""), "\"2024-02-29\"");
  EXPECT_EQ(cell(LogicalType::TIME, "\"23:59:59.000001\""), "\"23:59:59.000001\"");
  EXPECT_EQ(cell(LogicalType::TIMESTAMP, "\"2013-01-01T05:15:00\""), "\"2013-01-01 05:15:00\"");
  EXPECT_EQ(cell(LogicalType::TIMESTAMP, "\"2013-01-01 05:15:00.123456789\""), "\"2013-01-01 05:15:00.123456\"");
  EXPECT_EQ(cell(LogicalType::TIMESTAMP, "\"1969-12-31T23:59:59.9999999Z\""), "\"1969-12-31 23:59:59.999999\"");
  EXPECT_EQ(cell(LogicalType::TIMESTAMP, "\"2013-01-01T05:15:00+05:30\""), "\"2012-12-31 23:45:00\"");
  EXPECT_EQ(cell(LogicalType::TIMESTAMP_TZ, "\"2013-01-01T05:15:00-01:00\""), "\"2013-01-01 06:15:00+00:00\"");
  EXPECT_EQ(cell(LogicalType::BLOB, "\"aGVsbG8=\""), "\"aGVsbG8=\"");
  EXPECT_EQ(cell(LogicalType::UUID, "\"6f1ed002-ab5b-4a4f-8b0e-3d0bba2e1b2f\""),
            "\"6f1ed002-ab5b-4a4f-8b0e-3d0bba2e1b2f\"");
  EXPECT_EQ(cell(LogicalType::LIST(LogicalType::INTEGER), "[1, null, 3]"), "[1,null,3]");
  EXPECT_EQ(cell(LogicalType::STRUCT({{"a", LogicalType::INTEGER}, {"b", LogicalType::VARCHAR}}), "{\"b\":\"x\"}"),
            "{\"a\":null,\"b\":\"x\"}");
  EXPECT_EQ(cell(LogicalType::MAP(LogicalType::VARCHAR, LogicalType::INTEGER), "{\"a\":1,\"b\":2,\"a\":3}"),
            "{\"a\":3,\"b\":2}");
  EXPECT_EQ(cell(LogicalType::LIST(LogicalType::LIST(LogicalType::VARCHAR)), "[[],[\"x\"],null]"), "[[],[\"x\"],null]");
  EXPECT_EQ(cell(LogicalType::INTEGER, "null"), "null");
  EXPECT_EQ(cell(LogicalType::INTERVAL, "\"3 days\""), "\"3 days\"");
}

TEST(Ndjson, DecimalsAreExactAndRoundHalfUp) {
  EXPECT_EQ(cell(LogicalType::DECIMAL(12, 2), "1.005"), "1.01");
  EXPECT_EQ(cell(LogicalType::DECIMAL(12, 2), "-1.005"), "-1.01");
  EXPECT_EQ(cell(LogicalType::DECIMAL(12, 2), "\"0.1\""), "0.10");
  EXPECT_EQ(cell(LogicalType::DECIMAL(4, 2), "99.994"), "99.99");
  EXPECT_EQ(cell(LogicalType::DECIMAL(4, 2), "99.995").substr(0, 4), "3003");
  EXPECT_EQ(cell(LogicalType::DECIMAL(38, 10), "1234567890123456789012345678.0123456789"),
            "1234567890123456789012345678.0123456789");
  EXPECT_EQ(cell(LogicalType::DECIMAL(12, 2), "1e-9999"), "0.00");
  EXPECT_EQ(cell(LogicalType::DECIMAL(12, 2), "0e9999"), "0.00");
  EXPECT_EQ(cell(LogicalType::DECIMAL(18, 3), "-0.0005"), "-0.001");
}

TEST(Ndjson, SaysWhatIsWrongWithAValue) {
  EXPECT_EQ(cell(LogicalType::BIGINT, "9223372036854775808"),
            "3003 field \"v\": 9223372036854775808 does not fit BIGINT");
  EXPECT_EQ(cell(LogicalType::TINYINT, "128"), "3003 field \"v\": 128 does not fit TINYINT");
  EXPECT_EQ(cell(LogicalType::UBIGINT, "-1"), "3003 field \"v\": -1 does not fit UBIGINT");
  EXPECT_EQ(cell(LogicalType::BIGINT, "\"12\""), "3002 field \"v\": \"12\" is not a value of type BIGINT");
  EXPECT_EQ(cell(LogicalType::BIGINT, "1.5"), "3002 field \"v\": 1.5 is not a value of type BIGINT");
  EXPECT_EQ(cell(LogicalType::BIGINT, "[1]"), "3002 field \"v\": [1] is not a value of type BIGINT");
  EXPECT_EQ(cell(LogicalType::BOOLEAN, "1"), "3002 field \"v\": 1 is not a value of type BOOLEAN");
  EXPECT_EQ(cell(LogicalType::DATE, "\"2023-02-29\""), "3003 field \"v\": \"2023-02-29\" does not fit DATE");
  EXPECT_EQ(cell(LogicalType::TIMESTAMP, "\"yesterday\"").substr(0, 4), "3002");
  EXPECT_EQ(cell(LogicalType::FLOAT, "1e39").substr(0, 4), "3003");
  EXPECT_EQ(cell(LogicalType::BIGINT, "01").substr(0, 4), "3001");
  EXPECT_EQ(cell(LogicalType::BIGINT, "nul").substr(0, 4), "3001");
  EXPECT_EQ(cell(LogicalType::VARCHAR, "[1,}").substr(0, 4), "3001");
  EXPECT_EQ(cell(LogicalType::VARCHAR, "\"\\ud800\"").substr(0, 4), "3001");
  EXPECT_EQ(cell(LogicalType::VARCHAR, "\"\xff\"").substr(0, 4), "3006");
  EXPECT_EQ(cell(LogicalType::VARCHAR, std::string(100'000, '[')).substr(0, 4), "3001");
}

TEST(Ndjson, BrokenRecordsLeaveNoTrace) {
  const SchemaRef schema =
      schema_of({{"a", LogicalType::BIGINT, false}, {"b", LogicalType::LIST(LogicalType::INTEGER), true}});
  const Decoded decoded = decode(schema,
                                 "{\"a\":1,\"b\":[1]}\n"
                                 "{\"a\":2,\"b\":[7,8,\n"
                                 "\n"
                                 "{\"b\":null}\r\n"
                                 "{\"a\":null}\n"
                                 "{\"b\":[4],\"a\":\"x\"}\n"
                                 "{\"A\":5,\"b\":[5,6]}  \r\n"
                                 "{\"a\":6} {\"a\":7}\n"
                                 "not json\n"
                                 "{\"a\":8}");
  EXPECT_EQ(rows_of(schema, decoded), "{\"a\":1,\"b\":[1]}\n{\"a\":5,\"b\":[5,6]}\n{\"a\":8,\"b\":null}\n");
  EXPECT_EQ(decoded.records, 9);
  std::string rejected;
  for (const Rejected& r : decoded.rejected)
    rejected += r.origin + " " + std::to_string(static_cast<int>(r.code)) + " " + std::to_string(r.index) + "\n";
  EXPECT_EQ(rejected,
            "a.ndjson:2 3001 1\na.ndjson:4 3004 2\na.ndjson:5 3004 3\na.ndjson:6 3002 4\na.ndjson:8 3001 6\na.ndjson:9 "
            "3001 7\n");
  EXPECT_EQ(decoded.rejected[5].bytes, "not json");
}

TEST(Ndjson, NamesMatchExactlyBeforeByCaseAndTheLastWins) {
  const SchemaRef schema = schema_of({{"a", LogicalType::BIGINT, true}});
  EXPECT_EQ(
      rows_of(schema,
              decode(schema, "{\"a\":1,\"A\":2}\n{\"A\":2,\"a\":1}\n{\"a\":1,\"a\":null,\"a\":3}\n{\"\\u0061\":4}\n")),
      "{\"a\":1}\n{\"a\":1}\n{\"a\":3}\n{\"a\":4}\n");
  EXPECT_EQ(decode(schema, "{\"a\":1,\"b\":2}\n", "ndjson", true).rejected.at(0).code, Code::extra_field);
  EXPECT_EQ(decode(schema, "{\"a\":1,\"b\":2}\n").rejected.size(), 0u);
  EXPECT_EQ(decode(schema, "{\"a\":1,\"b\":tru}\n").rejected.at(0).code, Code::malformed_record);
}

TEST(Ndjson, ChangelogSetsDiffs) {
  const SchemaRef schema = schema_of({{"a", LogicalType::BIGINT, true}});
  const Decoded decoded = decode(
      schema,
      "{\"a\":1}\n{\"_op\":\"-U\",\"a\":1}\n{\"a\":2,\"_op\":\"+U\"}\n{\"_op\":\"-D\",\"a\":2}\n{\"_op\":\"?\"}\n",
      "changelog-ndjson");
  ASSERT_EQ(decoded.batches.size(), 1u);
  EXPECT_EQ(decoded.batches[0].diffs, (std::vector<int32_t>{1, -1, 1, -1}));
  EXPECT_EQ(decoded.rejected.size(), 1u);
  EXPECT_TRUE(decode(schema, "{\"a\":1,\"_op\":\"+I\"}", "changelog-ndjson").batches.at(0).inserts_only());
}

TEST(Json, ElementsOfOneArray) {
  const SchemaRef schema = schema_of({{"a", LogicalType::BIGINT, true}});
  Decoded decoded = decode(schema, " [ {\"a\":1}, {\"a\":\"],\"},\n{\"a\":3} ] ", "json");
  EXPECT_EQ(rows_of(schema, decoded), "{\"a\":1}\n{\"a\":3}\n");
  EXPECT_EQ(decoded.rejected.at(0).index, 1);
  EXPECT_EQ(decode(schema, "[]", "json").records, 0);
  EXPECT_EQ(decode(schema, "{\"a\":1}", "json").rejected.size(), 1u);
  decoded = decode(schema, "[{\"a\":1},{\"a\":", "json");
  EXPECT_EQ(rows_of(schema, decoded), "{\"a\":1}\n");
  EXPECT_EQ(decoded.rejected.size(), 1u);
}

TEST(Ndjson, ProjectionLeavesOtherFieldsAlone) {
  DecoderConfig config;
  config.format = "ndjson";
  config.schema = schema_of({{"c", LogicalType::VARCHAR, true}});
  config.declared = schema_of({{"a", LogicalType::BIGINT, true},
                               {"b", LogicalType::LIST(LogicalType::BIGINT), true},
                               {"c", LogicalType::VARCHAR, true}});
  config.reject_extra_fields = true;
  auto decoder = make_decoder(config);
  const Decoded decoded = (*decoder)->decode("{\"a\":1,\"b\":[1,[2]],\"c\":\"x\"}\n", "f", 1);
  EXPECT_EQ(rows_of(config.schema, decoded), "{\"c\":\"x\"}\n");
}

/// What the first record teaches (the order of its fields) must not change how the others are read.
TEST(Ndjson, PlainAndCarefulReadingAgree) {
  const SchemaRef schema = schema_of({{"a", LogicalType::BIGINT, true},
                                      {"s", LogicalType::VARCHAR, true},
                                      {"n", LogicalType::INTEGER, false},
                                      {"d", LogicalType::DECIMAL(12, 2), true},
                                      {"f", LogicalType::DOUBLE, true},
                                      {"b", LogicalType::BOOLEAN, true},
                                      {"t", LogicalType::TIMESTAMP, true}});
  const std::vector<std::string> values{"1",
                                        "-0",
                                        "007",
                                        "null",
                                        "1.5",
                                        "true",
                                        "\"x\"",
                                        "\"2013-01-01 00:00:00\"",
                                        "\"a\\nb\"",
                                        "{\"k\":1}",
                                        "9223372036854775808",
                                        "-9223372036854775808",
                                        "123456789012345678",
                                        "1e2",
                                        "nul",
                                        "\"long text, longer than twelve\"",
                                        "",
                                        "[1]",
                                        "\"\u00e9\"",
                                        "1 ",
                                        " 1",
                                        "-",
                                        "\"\t\""};
  const std::vector<std::string> names{"a", "s", "n", "d", "f", "b", "t", "skipped"};
  std::mt19937 random(11);
  const std::string first =
      "{\"a\":1,\"s\":\"x\",\"n\":1,\"d\":1.5,\"f\":1.5,\"b\":true,\"t\":\"2013-01-01 00:00:00\",\"skipped\":1}\n";
  for (int round = 0; round < 5'000; ++round) {
    std::string record = "{";
    for (size_t i = 0; i < names.size(); ++i) {
      if (random() % 20 == 0) continue;
      const bool fits = random() % 6 != 0;
      const std::string own[] = {"17",    "\"some text of this column\"", "18", "19.995", "-2.5e3",
                                 "false", "\"2024-02-29T12:00:00.5Z\"",   "0"};
      record += (record.size() > 1 ? "," : "") + std::string("\"") + names[random() % 30 ? i : random() % 8] +
                "\":" + (random() % 9 ? "" : " ") + (fits ? own[i] : values[random() % values.size()]);
    }
    record += random() % 25 ? "}" : "";
    // Alone, a record meets a decoder that knows no order yet: simdjson reads it. Behind `first`, it is tried as a
    // plain one.
    const Decoded alone = decode(schema, record);
    const Decoded behind = decode(schema, first + record);
    const std::string head = rows_of(schema, decode(schema, first));
    ASSERT_EQ(head + rows_of(schema, alone), rows_of(schema, behind)) << record;
    ASSERT_EQ(alone.rejected.size(), behind.rejected.size()) << record;
    if (!alone.rejected.empty()) {
      ASSERT_EQ(alone.rejected[0].code, behind.rejected[0].code) << record;
      ASSERT_EQ(alone.rejected[0].reason, behind.rejected[0].reason) << record;
    }
  }
}

TEST(Ndjson, RandomBytesNeverCrash) {
  const SchemaRef schema =
      schema_of({{"a", LogicalType::BIGINT, true},
                 {"m", LogicalType::MAP(LogicalType::VARCHAR, LogicalType::INTEGER), true},
                 {"t", LogicalType::TIMESTAMP, true},
                 {"s", LogicalType::STRUCT({{"x", LogicalType::LIST(LogicalType::DOUBLE)}}), true}});
  const std::string sample = "{\"a\":12,\"m\":{\"k\":1},\"t\":\"2013-01-01 00:00:00\",\"s\":{\"x\":[1.5,null]}}\n";
  std::mt19937 random(7);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = sample + sample;
    for (int change = 0; change < 4; ++change) {
      const size_t at = random() % bytes.size();
      switch (random() % 3) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, random() % 5);
          break;
        default:
          bytes.insert(at, 1, "{}[]\",:\\\n01e.-"[random() % 14]);
      }
    }
    for (const char* format : {"ndjson", "json", "changelog-ndjson"}) {
      const Decoded decoded = decode(schema, bytes, format);
      int64_t rows = 0;
      for (const Batch& batch : decoded.batches) rows += batch.rows();
      ASSERT_EQ(decoded.records, rows + static_cast<int64_t>(decoded.rejected.size()));
      rows_of(schema, decoded);
    }
  }
}

TEST(Encoder, FieldsWithoutNamesAreNumbered) {
  const LogicalType pair = LogicalType::STRUCT({{"", LogicalType::INTEGER}, {"", LogicalType::VARCHAR}});
  const Vector column(duckdb::Value::STRUCT(pair, {duckdb::Value::INTEGER(1), duckdb::Value("a")}));
  std::string out;
  append_json_value(out, column, 0);
  EXPECT_EQ(out, "{\"f0\":1,\"f1\":\"a\"}");
}

}  // namespace
}  // namespace headrace
