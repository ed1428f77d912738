// The door and its source over a real log and real decoders: what was acknowledged is read once, keys are known after
// crashes and releases, and limits hold.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include "base/file.h"
#include "connect/http/source.h"

namespace headrace {
namespace {

namespace fs = std::filesystem;

/// A clock that a test moves.
class TestClock final : public Clock {
 public:
  int64_t now_us() const override { return now_us_; }
  int64_t steady_ns() const override { return now_us_ * 1000; }
  std::atomic<int64_t> now_us_{1'700'000'000'000'000};
};

class HttpDoorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "headrace_door_XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override { fs::remove_all(directory_); }

  static SchemaRef schema(const std::vector<std::string>& names) {
    std::vector<Field> fields;
    for (const std::string& name : names)
      fields.push_back({name, name == "n" ? LogicalType::BIGINT : LogicalType::VARCHAR});
    return std::make_shared<const Schema>(fields);
  }

  std::unique_ptr<Source> make(const ConnectorSpec& spec = http_connector,
                               std::map<std::string, std::string> options = {},
                               const std::vector<std::string>& columns = {"id", "n"}, bool until_end = false) {
    Options checked = check_options("source tx", spec.source_fields, options).value();
    SourceContext context;
    context.name = "tx";
    context.options = &checked;
    context.declared = schema({"id", "n"});
    context.schema = schema(columns);
    context.state_directory = directory_;
    context.until_end = until_end;
    context.clock = &clock_;
    context.wake = [this] { ++wakes_; };
    return std::move(spec.make_source(context)).value();
  }
  std::unique_ptr<Source> opened(const std::optional<Position>& from = std::nullopt,
                                 std::map<std::string, std::string> options = {}) {
    std::unique_ptr<Source> out = make(http_connector, std::move(options));
    Result<> open = out->open(from);
    EXPECT_TRUE(open.ok()) << (open.ok() ? "" : open.error().text());
    return out;
  }
  static DoorAnswer send(Source& source, const std::string& body, const std::string& key = "",
                         const std::string& format = "ndjson") {
    Result<DoorAnswer> answer = door_of(source)->admit(body, format, key);
    EXPECT_TRUE(answer.ok()) << (answer.ok() ? "" : answer.error().text());
    return answer.ok() ? std::move(answer).value() : DoorAnswer{};
  }
  /// Everything that is there, as "id:n" texts; refused records go to `rejected_`.
  std::vector<std::string> drain(Source& source, int64_t bytes_max = 1 << 20) {
    std::vector<std::string> out;
    for (;;) {
      Result<Polled> polled = source.poll(bytes_max);
      EXPECT_TRUE(polled.ok()) << (polled.ok() ? "" : polled.error().text());
      if (!polled.ok() || polled->morsels.empty()) return out;
      for (Morsel& morsel : polled->morsels) {
        int64_t rows = 0;
        for (Batch& batch : morsel.rows) {
          rows += batch.rows();
          for (int64_t row = 0; row < batch.rows(); ++row) {
            std::string text;
            for (size_t column = 0; column < batch.schema->size(); ++column)
              text += (column ? ":" : "") + batch.chunk.GetValue(column, row).ToString();
            out.push_back(text);
          }
        }
        EXPECT_EQ(morsel.records_read, rows + static_cast<int64_t>(morsel.rejected.size()));
        for (Rejected& record : morsel.rejected) rejected_.push_back(std::move(record));
      }
    }
  }

  std::string directory_;
  TestClock clock_;
  std::atomic<int> wakes_{0};
  std::vector<Rejected> rejected_;
};

TEST_F(HttpDoorTest, WhatIsAcknowledgedIsReadOnceAndInOrder) {
  std::unique_ptr<Source> source = opened();
  DoorAnswer first = send(*source, "{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":\"x\"}\n{\"id\":\"c\",\"n\":3}\n");
  EXPECT_EQ(first.accepted, 2);
  EXPECT_EQ(first.position, 3);
  ASSERT_EQ(first.rejected.size(), 1u);
  EXPECT_EQ(first.rejected[0].index, 1);
  EXPECT_EQ(first.rejected[0].origin, "http:tx#1");
  EXPECT_EQ(send(*source, "[{\"id\":\"d\",\"n\":4}]", "", "json").position, 4);
  EXPECT_GE(wakes_, 2);
  EXPECT_GT(*source->lag_bytes(), 0);
  EXPECT_EQ(drain(*source), (std::vector<std::string>{"a:1", "c:3", "d:4"}));
  ASSERT_EQ(rejected_.size(), 1u);
  EXPECT_EQ(rejected_[0].bytes, "{\"id\":\"b\",\"n\":\"x\"}");
  EXPECT_EQ(rejected_[0].origin, "http:tx#1");
  EXPECT_EQ(*source->lag_bytes(), 0);
  EXPECT_TRUE(source->poll(1 << 20)->caught_up);

  // A restart from a position reads what came after it, and nothing else.
  Position position = source->position();
  send(*source, "{\"id\":\"e\",\"n\":5}");
  source = nullptr;
  source = opened(position);
  EXPECT_EQ(drain(*source), (std::vector<std::string>{"e:5"}));
  EXPECT_EQ(send(*source, "{\"id\":\"f\",\"n\":6}").position, 6);
}

TEST_F(HttpDoorTest, SmallRequestsBecomeFullBatches) {
  std::unique_ptr<Source> source = opened();
  std::string large;
  for (int i = 0; i < 5000; ++i) large += "{\"id\":\"" + std::to_string(i) + "\",\"n\":" + std::to_string(i) + "}\n";
  for (int i = 0; i < 3000; ++i)
    if (i % 300 == 0) send(*source, "{\"id\":\"s\",\"n\":-1}");
  send(*source, large);
  send(*source, "{\"id\":\"s\",\"n\":-1}");
  Result<Polled> polled = source->poll(64 << 20);
  ASSERT_TRUE(polled.ok());
  int64_t rows = 0;
  for (const Batch& batch : polled->morsels.at(0).rows) {
    EXPECT_LE(batch.rows(), rows_per_batch);
    rows += batch.rows();
  }
  EXPECT_EQ(rows, 5011);
  EXPECT_LE(polled->morsels[0].rows.size(), 6u);
}

TEST_F(HttpDoorTest, WhatAPollHasNoRoomForIsItsBacklog) {
  std::unique_ptr<Source> source = opened();
  for (int i = 0; i < 3; ++i) send(*source, "{\"id\":\"s\",\"n\":1}");
  EXPECT_EQ(source->poll(1)->backlog, std::vector<uint32_t>{0});
  EXPECT_EQ(source->poll(1)->backlog, std::vector<uint32_t>{0});
  EXPECT_TRUE(source->poll(1)->backlog.empty());
}

TEST_F(HttpDoorTest, ColumnsAreProjectedFromWhatIsStored) {
  std::unique_ptr<Source> source = opened();
  send(*source, "{\"id\":\"a\",\"n\":1}");
  source.reset();
  source = make(http_connector, {}, {"n"});
  ASSERT_TRUE(source->open(std::nullopt).ok());
  EXPECT_EQ(drain(*source), (std::vector<std::string>{"1"}));
}

TEST_F(HttpDoorTest, AKeyIsAnsweredOnce) {
  std::unique_ptr<Source> source = opened();
  std::string body = "{\"id\":\"a\",\"n\":1}\n{broken\n";
  DoorAnswer first = send(*source, body, "k");
  DoorAnswer again = send(*source, body, "k");
  EXPECT_FALSE(first.repeated);
  EXPECT_TRUE(again.repeated);
  EXPECT_EQ(again.accepted, first.accepted);
  EXPECT_EQ(again.position, first.position);
  ASSERT_EQ(again.rejected.size(), 1u);
  EXPECT_EQ(again.rejected[0].reason, first.rejected[0].reason);
  EXPECT_EQ(again.rejected[0].index, first.rejected[0].index);
  EXPECT_EQ(again.rejected[0].code, first.rejected[0].code);
  EXPECT_EQ(door_of(*source)->admit("{\"id\":\"b\",\"n\":1}", "ndjson", "k").error().code, Code::key_reused);
  EXPECT_EQ(drain(*source), (std::vector<std::string>{"a:1"}));
  source = nullptr;
  source = opened();
  EXPECT_TRUE(send(*source, body, "k").repeated);
}

TEST_F(HttpDoorTest, ConcurrentDuplicatesLandOnce) {
  std::unique_ptr<Source> source = opened();
  std::atomic<int> fresh{0};
  std::vector<std::thread> clients;
  for (int client = 0; client < 8; ++client)
    clients.emplace_back([&] {
      for (int i = 0; i < 50; ++i)
        if (!send(*source, "{\"id\":\"" + std::to_string(i) + "\",\"n\":1}", "key" + std::to_string(i)).repeated)
          ++fresh;
    });
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(fresh, 50);
  std::vector<std::string> rows = drain(*source, 100);
  EXPECT_EQ(rows.size(), 50u);
  std::sort(rows.begin(), rows.end());
  EXPECT_EQ(std::unique(rows.begin(), rows.end()), rows.end());
}

TEST_F(HttpDoorTest, KeysAndCountsOutliveTheirRecords) {
  std::map<std::string, std::string> small{{"segment_bytes", "2000"}};
  std::unique_ptr<Source> source = opened(std::nullopt, small);
  auto body = [](int i) { return "{\"id\":\"" + std::to_string(i) + "\",\"n\":1}"; };
  std::vector<std::string> all;
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(send(*source, body(i), "key" + std::to_string(i)).position, i + 1);
    if (i % 25 == 24) {
      drain(*source);
      ASSERT_TRUE(source->committed(source->position()).ok());
    }
  }
  Position position = source->position();
  EXPECT_GT(door_of(*source)->log().begin(), 50);
  source = nullptr;
  source = opened(position, small);
  EXPECT_TRUE(drain(*source).empty());
  for (int i = 0; i < 100; ++i) {
    DoorAnswer answer = send(*source, body(i), "key" + std::to_string(i));
    EXPECT_TRUE(answer.repeated) << i;
    EXPECT_EQ(answer.position, i + 1);
  }
  EXPECT_EQ(send(*source, body(0), "new").position, 101);
}

TEST_F(HttpDoorTest, ACrashBetweenKeysAndReleaseLosesNothing) {
  std::map<std::string, std::string> small{{"segment_bytes", "500"}};
  std::string copy = directory_ + "_copy";
  std::unique_ptr<Source> source = opened(std::nullopt, small);
  for (int i = 0; i < 40; ++i) send(*source, "{\"id\":\"x\",\"n\":1}", "key" + std::to_string(i));
  fs::copy(directory_, copy, fs::copy_options::recursive);
  drain(*source);
  Position position = source->position();
  ASSERT_TRUE(source->committed(position).ok());
  source = nullptr;
  // The key file is there, and so is every segment that it covers.
  for (const auto& entry : fs::recursive_directory_iterator(directory_))
    if (entry.path().extension() == ".keys")
      fs::copy(entry.path(), copy / fs::relative(entry.path(), directory_), fs::copy_options::overwrite_existing);
  fs::remove_all(directory_);
  fs::rename(copy, directory_);
  source = opened(position, small);
  EXPECT_TRUE(drain(*source).empty());
  for (int i = 0; i < 40; ++i) EXPECT_TRUE(send(*source, "{\"id\":\"x\",\"n\":1}", "key" + std::to_string(i)).repeated);
  EXPECT_EQ(send(*source, "{\"id\":\"x\",\"n\":1}").position, 41);
}

TEST_F(HttpDoorTest, KeysAreForgottenAfterADay) {
  std::unique_ptr<Source> source = opened();
  send(*source, "{\"id\":\"a\",\"n\":1}", "k");
  clock_.now_us_ += 25LL * 3600 * 1'000'000;
  ASSERT_TRUE(source->committed(source->position()).ok());
  EXPECT_FALSE(send(*source, "{\"id\":\"a\",\"n\":1}", "k").repeated);
}

TEST_F(HttpDoorTest, TooMuchUnreadIsRefused) {
  std::unique_ptr<Source> source = opened(std::nullopt, {{"lag_bytes_max", "1"}});
  send(*source, "{\"id\":\"a\",\"n\":1}");
  EXPECT_EQ(door_of(*source)->admit("{}", "ndjson", "").error().code, Code::overloaded);
  drain(*source);
  send(*source, "{\"id\":\"a\",\"n\":1}");
}

TEST_F(HttpDoorTest, UntilEndEndsAtTheEndThatWasThere) {
  std::unique_ptr<Source> source = opened();
  for (int i = 0; i < 5; ++i) send(*source, "{\"id\":\"a\",\"n\":1}");
  source.reset();
  source = make(http_connector, {}, {"id", "n"}, true);
  ASSERT_TRUE(source->open(std::nullopt).ok());
  send(*source, "{\"id\":\"late\",\"n\":1}");
  Result<Polled> polled = source->poll(1 << 20);
  EXPECT_TRUE(polled->end_of_input);
  EXPECT_EQ(polled->morsels.at(0).records_read, 5);
}

TEST_F(HttpDoorTest, AClosedDoorTakesNothing) {
  std::unique_ptr<Source> source = make();
  EXPECT_EQ(door_of(*source)->admit("{}", "ndjson", "").error().code, Code::stopping);
  ASSERT_TRUE(source->open(std::nullopt).ok());
  std::shared_ptr<HttpDoor> door = door_of(*source);
  source.reset();
  EXPECT_EQ(door->admit("{}", "ndjson", "").error().code, Code::stopping);
}

TEST_F(HttpDoorTest, AContractMovesRowsToTheRefused) {
  std::unique_ptr<Source> source = make();
  door_of(*source)->set_check([] {
    return [](Decoded& decoded) -> Result<> {
      if (decoded.batches.empty()) return {};
      decoded.rejected.push_back({"", "{\"id\":\"b\",\"n\":2}", Code::expectation_failed, "n is 2", 1});
      decoded.batches[0] = decoded.batches[0].slice({0});
      return {};
    };
  });
  ASSERT_TRUE(source->open(std::nullopt).ok());
  DoorAnswer answer = send(*source, "{\"id\":\"a\",\"n\":1}\n{\"id\":\"b\",\"n\":2}\n");
  EXPECT_EQ(answer.accepted, 1);
  EXPECT_EQ(answer.rejected.at(0).code, Code::expectation_failed);
  EXPECT_EQ(drain(*source), (std::vector<std::string>{"a:1"}));
  EXPECT_EQ(rejected_.at(0).reason, "n is 2");
}

TEST_F(HttpDoorTest, ALogKeepsItsRecordsForTheRetention) {
  std::unique_ptr<Source> source = make(log_connector, {{"retention", "1 h"}, {"segment_bytes", "300"}});
  ASSERT_TRUE(source->open(std::nullopt).ok());
  for (int i = 0; i < 20; ++i) send(*source, "{\"id\":\"old\",\"n\":1}");
  EXPECT_EQ(drain(*source).size(), 20u);
  ASSERT_TRUE(source->committed(source->position()).ok());
  EXPECT_EQ(door_of(*source)->log().begin(), 0);
  clock_.now_us_ += 7200LL * 1'000'000;
  for (int i = 0; i < 5; ++i) send(*source, "{\"id\":\"new\",\"n\":1}");
  drain(*source);
  ASSERT_TRUE(source->committed(source->position()).ok());
  EXPECT_GT(door_of(*source)->log().begin(), 10);
  source = nullptr;
  source = make(log_connector, {{"retention", "1 h"}, {"segment_bytes", "300"}});
  ASSERT_TRUE(source->open(std::nullopt).ok());
  std::vector<std::string> rows = drain(*source);
  EXPECT_GE(rows.size(), 5u);
  EXPECT_EQ(rows.back(), "new:1");
  EXPECT_EQ(source->position().text.find("\"records\":25") != std::string::npos, true) << source->position().text;
}

TEST_F(HttpDoorTest, APositionBeyondTheLogIsDamage) {
  opened();
  std::unique_ptr<Source> source = make();
  EXPECT_EQ(source->open(Position{"{\"record\":7,\"records\":7}"}).error().code, Code::corrupt_state);
}

}  // namespace
}  // namespace headrace
