// What records that tell changes become: rows with their signs, the same from every format; broken ones leave no trace.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "codec/decoder.h"
#include "codec/encoder.h"

namespace headrace {
namespace {

const std::vector<std::string> formats{"changelog-ndjson", "debezium-json", "maxwell-json", "canal-json"};

SchemaRef schema() {
  return std::make_shared<const Schema>(std::vector<Field>{{"id", LogicalType::INTEGER, true},
                                                           {"name", LogicalType::VARCHAR, true},
                                                           {"amount", LogicalType::DECIMAL(10, 2), true}});
}

std::unique_ptr<Decoder> decoder(const std::string& format, std::vector<size_t> key) {
  DecoderConfig config;
  config.format = format;
  config.schema = config.declared = schema();
  config.key = std::move(key);
  return std::move(make_decoder(config)).value();
}

/// The rows with their signs, and the rejected records with their codes.
std::string text_of(const Decoded& decoded) {
  EncoderConfig config;
  config.schema = schema();
  config.changes = Changes::retract;
  auto encoder = make_encoder(config);
  std::string out;
  for (const Batch& batch : decoded.batches) (*encoder)->encode(batch, out);
  for (const Rejected& rejected : decoded.rejected)
    out += fmt::format("{} {}: {}\n", static_cast<int>(rejected.code), rejected.origin, rejected.reason);
  return out;
}

std::string decode(const std::string& format, std::vector<size_t> key, std::string_view bytes) {
  return text_of(decoder(format, std::move(key))->decode(bytes, "f", 1));
}

struct Row {
  int id;
  std::string name, amount;
  auto operator<=>(const Row&) const = default;
};

std::string text_or_null(const std::string& value) {
  return value.empty() ? "null" : "\"" + value + "\"";
}
std::string object(const Row& row) {
  return fmt::format("{{\"id\":{},\"name\":{},\"amount\":{}}}", row.id, text_or_null(row.name), row.amount);
}
std::string operation(const std::string& op, const Row& row) {
  return "{\"_op\":\"" + op + "\"," + object(row).substr(1) + "\n";
}
std::string canal_object(const Row& row) {
  return fmt::format("{{\"id\":\"{}\",\"name\":{},\"amount\":\"{}\"}}", row.id, text_or_null(row.name), row.amount);
}
std::string changed(const Row& from, const Row& to, bool quoted) {
  std::string out = "{";
  auto add = [&](const std::string& member) { out += (out.size() > 1 ? "," : "") + member; };
  if (from.id != to.id) add(fmt::format(fmt::runtime(quoted ? "\"id\":\"{}\"" : "\"id\":{}"), from.id));
  if (from.name != to.name) add("\"name\":" + text_or_null(from.name));
  if (from.amount != to.amount)
    add(fmt::format(fmt::runtime(quoted ? "\"amount\":\"{}\"" : "\"amount\":{}"), from.amount));
  return out + "}";
}

std::string insert(const std::string& format, const Row& row) {
  if (format == "changelog-ndjson") return operation("+I", row);
  if (format == "debezium-json") return "{\"before\":null,\"after\":" + object(row) + ",\"op\":\"c\"}\n";
  if (format == "maxwell-json") return "{\"type\":\"insert\",\"data\":" + object(row) + "}\n";
  return "{\"data\":[" + canal_object(row) + "],\"old\":null,\"type\":\"INSERT\"}\n";
}
std::string update(const std::string& format, const Row& from, const Row& to) {
  if (format == "changelog-ndjson") return operation("-U", from) + operation("+U", to);
  if (format == "debezium-json") return "{\"before\":" + object(from) + ",\"after\":" + object(to) + ",\"op\":\"u\"}\n";
  if (format == "maxwell-json")
    return "{\"type\":\"update\",\"data\":" + object(to) + ",\"old\":" + changed(from, to, false) + "}\n";
  return "{\"data\":[" + canal_object(to) + "],\"old\":[" + changed(from, to, true) + "],\"type\":\"UPDATE\"}\n";
}
std::string remove(const std::string& format, const Row& row) {
  if (format == "changelog-ndjson") return operation("-D", row);
  if (format == "debezium-json") return "{\"before\":" + object(row) + ",\"after\":null,\"op\":\"d\"}\n";
  if (format == "maxwell-json") return "{\"type\":\"delete\",\"data\":" + object(row) + "}\n";
  return "{\"data\":[" + canal_object(row) + "],\"old\":null,\"type\":\"DELETE\"}\n";
}

TEST(Changelog, EveryFormatTellsTheSameChanges) {
  const uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  auto any = [&](int below) { return static_cast<int>(random() % static_cast<uint32_t>(below)); };
  std::map<std::string, std::string> bytes;
  std::map<int, Row> table;
  std::string expected;  // Without a key: every change whole.
  auto expect = [&](char sign, const Row& row) {
    expected += fmt::format("{{\"op\":\"{}\",\"id\":{},\"name\":{},\"amount\":{}}}\n", sign == '+' ? "+I" : "-D",
                            row.id, text_or_null(row.name), row.amount);
  };
  for (int step = 0; step < 5'000; ++step) {
    const int id = any(50);
    const Row row{id, any(4) ? std::string(static_cast<size_t>(any(20)), 'x') : "",
                  fmt::format("{}.{:02}", any(9), any(99))};
    const auto known = table.find(id);
    if (known == table.end()) {
      for (const std::string& format : formats) bytes[format] += insert(format, row);
      expect('+', row);
      table[id] = row;
    } else if (any(3) == 0) {
      for (const std::string& format : formats) bytes[format] += remove(format, known->second);
      expect('-', known->second);
      table.erase(known);
    } else {
      for (const std::string& format : formats) bytes[format] += update(format, known->second, row);
      expect('-', known->second);
      expect('+', row);
      known->second = row;
    }
  }
  for (const std::string& format : formats) {
    EXPECT_EQ(decode(format, {}, bytes[format]), expected) << format;
    // With a key: who replays row after row by key comes to the same table.
    std::map<int, std::string> last;
    std::istringstream lines(decode(format, {0}, bytes[format]));
    for (std::string line; std::getline(lines, line);) {
      const int id = std::stoi(line.substr(line.find("\"id\":") + 5));
      line[7] == '+' ? (void)(last[id] = line.substr(line.find("\"id\""))) : (void)last.erase(id);
    }
    ASSERT_EQ(last.size(), table.size()) << format;
    for (const auto& [id, row] : table) EXPECT_EQ(last[id], object(row).substr(1)) << format;
    // Cut anywhere between records.
    auto cut = decoder(format, {});
    std::string pieces, text = bytes[format];
    while (!text.empty()) {
      size_t end = text.find('\n', static_cast<size_t>(any(20'000)) % text.size());
      end = end == std::string::npos ? text.size() : end + 1;
      pieces += text_of(cut->decode(text.substr(0, end), "f", 1));
      text.erase(0, end);
    }
    EXPECT_EQ(pieces, expected) << format;
  }
}

TEST(Changelog, ABrokenRecordTakesAllItsRowsBack) {
  std::string bytes;
  for (int i = 0; i < 2'000; ++i) bytes += insert("canal-json", {i, "kept", "1.00"});
  bytes += "{\"type\":\"INSERT\",\"data\":[";
  for (int i = 0; i < 5'000; ++i) bytes += canal_object({i, "", "2.00"}) + ",";
  bytes += "{\"id\":\"nine\"}]}\n" + remove("canal-json", {7, "kept", "1.00"});
  const Decoded decoded = decoder("canal-json", {})->decode(bytes, "f", 1);
  EXPECT_EQ(decoded.records, 2'002);
  ASSERT_EQ(decoded.rejected.size(), 1u);
  EXPECT_EQ(decoded.rejected[0].index, 2'000);
  int64_t rows = 0;
  for (const Batch& batch : decoded.batches) rows += batch.rows();
  EXPECT_EQ(rows, 2'001);
  const std::string text = text_of(decoded);
  EXPECT_EQ(text.find("null"), std::string::npos);
  EXPECT_NE(text.find("{\"op\":\"-D\",\"id\":7,\"name\":\"kept\",\"amount\":1.00}"), std::string::npos);
}

TEST(Changelog, TombstonesSayNothing) {
  auto reader = decoder("debezium-json", {0});
  const Decoded decoded = reader->decode("null\n\n{\"schema\":{},\"payload\":null}\n", "f", 1);
  EXPECT_EQ(decoded.records, 2);
  EXPECT_TRUE(decoded.batches.empty());
  EXPECT_TRUE(decoded.rejected.empty());
  for (const char* format : {"maxwell-json", "canal-json", "changelog-ndjson"})
    EXPECT_EQ(decode(format, {0}, "null\n").substr(0, 4), "3001") << format;
}

TEST(Changelog, SaysWhatIsWrongWithAnEnvelope) {
  EXPECT_EQ(decode("debezium-json", {}, "{}"), "3004 f:1: a Debezium event has a field \"op\"\n");
  EXPECT_EQ(decode("debezium-json", {}, "{\"op\":\"t\"}"),
            "3012 f:1: TRUNCATE (\"op\": \"t\") does not say which rows it removes\n");
  EXPECT_EQ(decode("debezium-json", {}, "{\"op\":\"u\",\"before\":null,\"after\":{\"id\":1}}").substr(0, 4), "3012");
  EXPECT_EQ(decode("debezium-json", {}, "{\"op\":\"d\",\"before\":null}"),
            "3004 f:1: \"op\": \"d\" without its row \"before\"\n");
  EXPECT_EQ(decode("debezium-json", {}, "{\"op\":\"c\",\"after\":[1]}"),
            "3002 f:1: field \"after\": [ is neither an object nor null\n");
  EXPECT_EQ(decode("debezium-json", {}, "{\"op\":\"c\",\"after\":{\"id\":1}} x").substr(0, 4), "3001");
  EXPECT_EQ(decode("debezium-json", {}, "{\"op\":\"c\",\"after\":{\"id\":1},\"source\":tru}").substr(0, 4), "3001");
  EXPECT_EQ(decode("maxwell-json", {}, "{\"type\":\"insert\"}"),
            "3004 f:1: \"type\": \"insert\" without its row \"data\"\n");
  EXPECT_EQ(decode("canal-json", {}, "{\"type\":\"UPDATE\",\"data\":[{\"id\":\"1\"}],\"old\":[{},{}]}"),
            "3001 f:1: \"old\" has 2 elements, but \"data\" has 1 rows\n");
  EXPECT_EQ(decode("canal-json", {}, "{\"type\":\"ALTER\",\"data\":null}"),
            "3012 f:1: \"type\": \"ALTER\" is no change of a row\n");
}

/// A value that the log leaves out is not the text that stands for it, nor NULL.
TEST(Changelog, AValueThatWasNotLoggedIsNotKnown) {
  const std::string record =
      "{\"before\":null,\"after\":{\"id\":1,\"name\":\"__debezium_unavailable_value\",\"amount\":1},\"op\":\"u\"}\n";
  EXPECT_EQ(decode("debezium-json", {0}, record),
            "3012 f:1: field \"name\" was not logged, as it did not change; set REPLICA IDENTITY FULL\n");
}

/// The rows as the file sink writes them, where column 0 is the key.
std::string encode(const std::string& format, const Decoded& decoded) {
  EncoderConfig config;
  config.format = format;
  config.schema = schema();
  config.changes = Changes::retract;
  config.key = {0};
  config.op_column = "_op";
  auto encoder = std::move(make_encoder(config)).value();
  std::string out;
  for (const Batch& batch : decoded.batches) encoder->encode(batch, out);
  return out;
}

/// A row that goes and one of the same key right behind it are an update; what is written is read back as it was.
TEST(Changelog, UpdatesAreWrittenAsUpdates) {
  const Row a{1, "a", "1.00"}, b{1, "b", "2.00"}, c{2, "c", "3.00"};
  std::string bytes;
  for (const std::string& record : {insert("changelog-ndjson", a), update("changelog-ndjson", a, b),
                                    remove("changelog-ndjson", b), insert("changelog-ndjson", c)})
    bytes += record;
  const Decoded decoded = decoder("changelog-ndjson", {})->decode(bytes, "f", 1);
  EXPECT_EQ(encode("ndjson", decoded), bytes);
  std::string events;
  for (const std::string& record : {insert("debezium-json", a), update("debezium-json", a, b),
                                    remove("debezium-json", b), insert("debezium-json", c)})
    events += record;
  EXPECT_EQ(encode("debezium-json", decoded), events);
  EXPECT_EQ(decode("debezium-json", {}, events), text_of(decoded));
}

/// An update of the key itself: the old key goes.
TEST(Changelog, AChangedKeyIsRemoved) {
  EXPECT_EQ(decode("maxwell-json", {0}, update("maxwell-json", {1, "a", "1.00"}, {2, "a", "1.00"})),
            "{\"op\":\"-D\",\"id\":1,\"name\":\"a\",\"amount\":1.00}\n"
            "{\"op\":\"+I\",\"id\":2,\"name\":\"a\",\"amount\":1.00}\n");
  EXPECT_EQ(decode("canal-json", {0}, update("canal-json", {1, "a", "1.00"}, {1, "b", "1.00"})),
            "{\"op\":\"+I\",\"id\":1,\"name\":\"b\",\"amount\":1.00}\n");
}

}  // namespace
}  // namespace headrace
