// CSV as RFC 4180 has it, and what its broken records say.
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

const SchemaRef ab = schema_of({{"a", LogicalType::BIGINT, true}, {"b", LogicalType::VARCHAR, true}});

Decoded decode(const SchemaRef& schema, std::string_view bytes, bool header = false, std::string null_text = "",
               bool reject_extra = false) {
  DecoderConfig config;
  config.reject_extra_fields = reject_extra;
  config.format = "csv";
  config.schema = config.declared = schema;
  config.header = header;
  config.null_text = std::move(null_text);
  return make_decoder(config).value()->decode(bytes, "a.csv", header ? 2 : 1);
}

std::string encoded(const SchemaRef& schema, const Decoded& decoded, const std::string& format) {
  EncoderConfig config;
  config.format = format;
  config.schema = schema;
  config.header = false;
  auto encoder = make_encoder(config).value();
  std::string out;
  for (const Batch& batch : decoded.batches) encoder->encode(batch, out);
  return out;
}

std::string json(const Decoded& decoded) {
  return encoded(ab, decoded, "ndjson");
}

TEST(Csv, QuotesAndLineEnds) {
  EXPECT_EQ(json(decode(ab, "1,x\r\n2,\"a,\"\"b\"\"\n\"\r\n\n3,\"\"\n4,")),
            "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"a,\\\"b\\\"\\n\"}\n{\"a\":3,\"b\":\"\"}\n{\"a\":4,\"b\":null}\n");
  EXPECT_EQ(json(decode(ab,
                        "\xEF\xBB\xBF"
                        "B,x,A\nq,w,1\n",
                        true)),
            "{\"a\":1,\"b\":\"q\"}\n");
  EXPECT_EQ(json(decode(ab, "NA,NA\n1,\n,\"NA\"\n", false, "NA")),
            "{\"a\":null,\"b\":null}\n{\"a\":1,\"b\":\"\"}\n{\"a\":null,\"b\":\"NA\"}\n");
}

TEST(Csv, OneColumnHasEmptyLinesForNull) {
  const SchemaRef one = schema_of({{"a", LogicalType::VARCHAR, true}});
  const std::string lines = "x\n\n\"\"\n\n";
  const Decoded decoded = decode(one, lines);
  EXPECT_EQ(encoded(one, decoded, "ndjson"), "{\"a\":\"x\"}\n{\"a\":null}\n{\"a\":\"\"}\n{\"a\":null}\n");
  EXPECT_EQ(encoded(one, decoded, "csv"), lines);
  const SchemaRef needed = schema_of({{"a", LogicalType::VARCHAR, false}});
  EXPECT_EQ(decode(needed, "a\nx\n\r\n", true).rejected.at(0).reason, "field \"a\" of type VARCHAR NOT NULL is empty");
}

TEST(Csv, AFieldThatNobodyDeclared) {
  const std::string_view bytes = "a,c,b\n1,2,x\n";
  EXPECT_EQ(json(decode(ab, bytes, true)), "{\"a\":1,\"b\":\"x\"}\n");
  const Decoded decoded = decode(ab, bytes, true, "", true);
  EXPECT_EQ(json(decoded), "");
  EXPECT_EQ(decoded.rejected.at(0).code, Code::extra_field);
  EXPECT_EQ(decoded.rejected.at(0).reason, "field \"c\" is not declared");
  EXPECT_EQ(json(decode(ab, "B,A\nx,1\n", true, "", true)), "{\"a\":1,\"b\":\"x\"}\n");
}

TEST(Csv, BrokenRecordsSayWhy) {
  const Decoded decoded =
      decode(ab, "x,1\n1\n1,2,3\n1,\"a\"b\n9223372036854775808,q\n5,\xff\n1,\"multi\nline\"\nbad,\"x\n6,ok\n");
  EXPECT_EQ(json(decoded), "{\"a\":1,\"b\":\"multi\\nline\"}\n{\"a\":6,\"b\":\"ok\"}\n");
  std::string said;
  for (const Rejected& r : decoded.rejected) said += r.origin + " " + std::to_string(static_cast<int>(r.code)) + "\n";
  EXPECT_EQ(said, "a.csv:1 3002\na.csv:2 3004\na.csv:3 3005\na.csv:4 3001\na.csv:5 3003\na.csv:6 3006\na.csv:9 3001\n");
  EXPECT_EQ(decoded.rejected[0].reason, "field \"a\": 'x' is not a value of type BIGINT");
  EXPECT_EQ(decoded.records, 9);
}

/// Random values of many types, with NULLs.
Batch random_batch(const SchemaRef& schema, std::mt19937& random) {
  Batch batch = Batch::make(schema);
  const auto text = [&] {
    static const std::string pieces[] = {
        "a",  "\"", ",", "\n", "\r\n", "é", "\\", "long piece of text", " ", "\t", "", "null", "\xF0\x9F\x98\x80",
        "{}", "'"};
    std::string out;
    for (int i = static_cast<int>(random() % 4); i > 0; --i) out += pieces[random() % std::size(pieces)];
    return out;
  };
  const auto wide = [&] { return static_cast<int64_t>(static_cast<uint64_t>(random()) << 32 | random()); };
  for (duckdb::idx_t row = 0; row < 200; ++row) {
    size_t column = 0;
    const auto put = [&](duckdb::Value value) {
      if (random() % 8 == 0) value = duckdb::Value(schema->fields()[column].type);
      batch.chunk.data[column++].SetValue(row, value);
    };
    put(duckdb::Value::BIGINT(wide()));
    put(duckdb::Value(text()));
    put(duckdb::Value::DOUBLE(random() % 5 ? static_cast<double>(wide()) * 1e-7 : random() % 2 ? 1.0 / 0.0 : 5e-324));
    put(duckdb::Value::DECIMAL(wide() % 1'000'000'000'000'000'000, 18, 3));
    put(duckdb::Value::HUGEINT(duckdb::hugeint_t(wide(), static_cast<uint64_t>(wide()))));
    put(duckdb::Value::TIMESTAMP(duckdb::timestamp_t(wide() % 100'000'000'000'000'000 - 20'000'000'000'000'000)));
    put(duckdb::Value::DATE(duckdb::date_t(static_cast<int32_t>(wide() % 1'000'000))));
    put(duckdb::Value::BLOB(reinterpret_cast<duckdb::const_data_ptr_t>("\0\1\xff zz"), random() % 6));
    put(duckdb::Value::BOOLEAN(random() % 2));
    put(duckdb::Value::FLOAT(static_cast<float>(wide())));
    put(duckdb::Value::LIST(LogicalType::VARCHAR, {duckdb::Value(text()), duckdb::Value(LogicalType::VARCHAR)}));
    put(duckdb::Value::STRUCT(
        {{"x", duckdb::Value::INTEGER(static_cast<int32_t>(random()))}, {"y \"q\"", duckdb::Value(text())}}));
    put(duckdb::Value::TIMESTAMPTZ(duckdb::timestamp_tz_t(wide() % 1'000'000'000'000'000)));
  }
  batch.chunk.SetCardinality(200);
  return batch;
}

const SchemaRef many =
    schema_of({{"i", LogicalType::BIGINT, true},
               {"s", LogicalType::VARCHAR, true},
               {"d", LogicalType::DOUBLE, true},
               {"m", LogicalType::DECIMAL(18, 3), true},
               {"h", LogicalType::HUGEINT, true},
               {"t", LogicalType::TIMESTAMP, true},
               {"e", LogicalType::DATE, true},
               {"z", LogicalType::BLOB, true},
               {"b", LogicalType::BOOLEAN, true},
               {"f", LogicalType::FLOAT, true},
               {"l", LogicalType::LIST(LogicalType::VARCHAR), true},
               {"r", LogicalType::STRUCT({{"x", LogicalType::INTEGER}, {"y \"q\"", LogicalType::VARCHAR}}), true},
               {"tz", LogicalType::TIMESTAMP_TZ, true}});

TEST(Codec, DecodingGivesBackWhatWasEncoded) {
  std::mt19937 random(4);
  for (int round = 0; round < 30; ++round) {
    const Batch batch = random_batch(many, random);
    for (const std::string format : {"ndjson", "csv"}) {
      EncoderConfig config;
      config.format = format;
      config.schema = many;
      auto encoder = make_encoder(config).value();
      std::string text = encoder->prologue();
      encoder->encode(batch, text);
      DecoderConfig decoding;
      decoding.format = format;
      decoding.schema = decoding.declared = many;
      const Decoded decoded = make_decoder(decoding).value()->decode(text, "x", 1);
      ASSERT_TRUE(decoded.rejected.empty()) << decoded.rejected[0].reason << "\n" << decoded.rejected[0].bytes;
      ASSERT_EQ(decoded.batches.size(), 1u);
      for (size_t column = 0; column < many->size(); ++column) {
        for (duckdb::idx_t row = 0; row < batch.chunk.size(); ++row) {
          const duckdb::Value was = batch.chunk.data[column].GetValue(row),
                              is = decoded.batches[0].chunk.data[column].GetValue(row);
          ASSERT_TRUE(duckdb::Value::NotDistinctFrom(was, is))
              << format << " " << many->fields()[column].name << ": " << was.ToString() << " became " << is.ToString();
        }
      }
    }
  }
}

TEST(Codec, AnyCutAtRecordEndsGivesTheSameRows) {
  std::mt19937 random(9);
  const Batch batch = random_batch(many, random);
  for (const std::string format : {"ndjson", "csv"}) {
    EncoderConfig config;
    config.format = format;
    config.schema = many;
    config.header = false;
    auto encoder = make_encoder(config).value();
    std::string text;
    encoder->encode(batch, text);
    DecoderConfig decoding;
    decoding.format = format;
    decoding.schema = decoding.declared = many;
    decoding.header = false;
    auto decoder = make_decoder(decoding).value();
    const std::string whole = encoded(many, decoder->decode(text, "x", 1), "ndjson");
    const Framing framing{format == "csv", ','};
    for (int round = 0; round < 50; ++round) {
      std::string parts;
      for (size_t begin = 0; begin < text.size();) {
        size_t length = end_of_last_record(framing, std::string_view(text).substr(begin, 1 + random() % 5'000));
        if (length == 0) length = end_of_first_record(framing, std::string_view(text).substr(begin));
        parts += encoded(many, decoder->decode(std::string_view(text).substr(begin, length), "x", 1), "ndjson");
        begin += length;
      }
      ASSERT_EQ(parts, whole) << format;
    }
  }
}

TEST(Codec, ReadsVectorsOfEveryLayout) {
  const SchemaRef schema = schema_of({{"c", LogicalType::BIGINT, true},
                                      {"d", LogicalType::VARCHAR, true},
                                      {"q", LogicalType::BIGINT, true},
                                      {"l", LogicalType::LIST(LogicalType::INTEGER), true}});
  Batch batch = Batch::make(schema);
  batch.chunk.data[0].Reference(duckdb::Value::BIGINT(7));
  for (duckdb::idx_t row = 0; row < 3; ++row) {
    batch.chunk.data[1].SetValue(row, duckdb::Value(std::to_string(row)));
    batch.chunk.data[3].SetValue(row, duckdb::Value::LIST({duckdb::Value::INTEGER(static_cast<int32_t>(row))}));
  }
  duckdb::SelectionVector reversed(3);
  for (duckdb::idx_t row = 0; row < 3; ++row) reversed.set_index(row, 2 - row);
  batch.chunk.data[1].Slice(reversed, 3);
  batch.chunk.data[3].Slice(reversed, 3);
  batch.chunk.data[2].Sequence(10, 5, 3);
  batch.chunk.SetCardinality(3);
  EncoderConfig config;
  config.schema = schema;
  std::string out;
  make_encoder(config).value()->encode(batch, out);
  EXPECT_EQ(out,
            "{\"c\":7,\"d\":\"2\",\"q\":10,\"l\":[2]}\n{\"c\":7,\"d\":\"1\",\"q\":15,\"l\":[1]}\n{\"c\":7,\"d\":\"0\","
            "\"q\":20,\"l\":[0]}\n");
  std::string value;
  for (int64_t row = 0; row < 3; ++row) append_json_value(value, batch.chunk.data[1], row);
  for (size_t column = 0; column < 4; ++column) append_json_value(value, batch.chunk.data[column], 2);
  EXPECT_EQ(value, "\"2\"\"1\"\"0\"7\"0\"20[0]");
}

TEST(Csv, RandomBytesNeverCrash) {
  std::mt19937 random(8);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes;
    for (int i = static_cast<int>(random() % 60); i > 0; --i) bytes += "\",\n\r1a\xff x-"[random() % 10];
    for (bool header : {false, true}) {
      const Decoded decoded = decode(ab, bytes, header);
      int64_t rows = 0;
      for (const Batch& batch : decoded.batches) rows += batch.rows();
      ASSERT_EQ(decoded.records, rows + static_cast<int64_t>(decoded.rejected.size()));
    }
  }
}

}  // namespace
}  // namespace headrace
