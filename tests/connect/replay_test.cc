// Replay: rows come when they are due by the clock, and a restart neither loses nor repeats one.
#include <condition_variable>
#include <mutex>
#include <random>

#include "connect/source_reader.h"

namespace headrace {
namespace {

class HandClock final : public Clock {
 public:
  int64_t now_us() const override { return ns / 1000; }
  int64_t steady_ns() const override { return ns; }
  int64_t ns = 0;
};

const SchemaRef timed = schema_of({{"a", LogicalType::BIGINT, true}, {"ts", LogicalType::TIMESTAMP, true}});

std::string rows_at(int from, int to) {
  std::string out;
  for (int i = from; i < to; ++i) {
    char text[100];
    std::snprintf(text, sizeof text, "{\"a\":%d,\"ts\":\"2024-01-01 %02d:%02d:%02d\"}\n", i, i / 3600, i / 60 % 60,
                  i % 60);
    out += text;
  }
  return out;
}

TEST(Replay, ReleasesRowsWhenTheyAreDue) {
  TestFolder folder;
  folder.write("in", rows_at(0, 10));
  HandClock clock;
  SourceReader reader{timed, {{"path", "in"}, {"mode", "replay"}, {"speed", "2"}}, folder.path(), false, 1, &clock};
  ASSERT_TRUE(reader.open("file").ok());
  auto polled = reader.poll();
  ASSERT_TRUE(polled.ok());
  EXPECT_EQ(reader.records, 1);
  EXPECT_GT(polled->wait_us, 400'000);
  clock.ns = 2'000'000'000;
  EXPECT_TRUE(reader.poll().ok());
  EXPECT_EQ(reader.rows, rows_at(0, 5));
  clock.ns = 4'500'000'000;
  polled = reader.poll();
  EXPECT_EQ(reader.rows, rows_at(0, 10));
  EXPECT_TRUE(polled->end_of_input);
}

TEST(Replay, NoRowWaitsForTheEndOfTime) {
  TestFolder folder;
  const std::string beyond = "{\"a\":7,\"ts\":\"infinity\"}\n{\"a\":8,\"ts\":\"-infinity\"}\n";
  folder.write("in", beyond + rows_at(0, 1) + beyond + rows_at(1, 2));
  HandClock clock;
  SourceReader reader{timed, {{"path", "in"}, {"mode", "replay"}}, folder.path(), false, 1, &clock};
  ASSERT_TRUE(reader.open("file").ok());
  EXPECT_TRUE(reader.poll().ok());
  EXPECT_EQ(reader.rows, beyond + rows_at(0, 1) + beyond);
  clock.ns = 1'000'000'000;
  EXPECT_TRUE(reader.poll().ok());
  EXPECT_EQ(reader.rows, beyond + rows_at(0, 1) + beyond + rows_at(1, 2));
}

TEST(Replay, AnyStopAndRestoreGivesTheSameRecords) {
  for (const char* splits : {"one", "file"}) {
    TestFolder folder;
    folder.write("in/1", rows_at(0, 7'000) + "broken\n" + rows_at(7'000, 12'000));
    folder.write("in/2", "broken\n" + rows_at(12'000, 20'000));
    HandClock clock;
    const std::map<std::string, std::string> options{
        {"path", "in/*"}, {"mode", "replay"}, {"speed", "1000"}, {"splits", splits}};
    SourceReader parts{timed, options, folder.path(), false, 1, &clock};
    std::mt19937 random(5);
    std::optional<Position> position;
    int restarts = 0;
    for (bool ended = false; !ended; ++restarts) {
      ASSERT_LT(restarts, 10'000);
      ASSERT_TRUE(parts.open("file", position).ok());
      for (int polls = static_cast<int>(random() % 4); polls >= 0 && !ended; --polls) {
        auto polled = parts.poll(1 + static_cast<int64_t>(random() % 100'000));
        ASSERT_TRUE(polled.ok());
        ended = polled->end_of_input;
        clock.ns += static_cast<int64_t>(random() % 1'000'000'000);
      }
      position = parts.source->position();
    }
    EXPECT_GT(restarts, 3);
    EXPECT_EQ(parts.records, 20'002);
    EXPECT_EQ(parts.rejected, "in/1:7001 3001\nin/2:1 3001\n");
    EXPECT_TRUE(std::string(splits) != "one" || parts.rows == rows_at(0, 20'000));
    EXPECT_EQ(parts.rows.size(), rows_at(0, 20'000).size());
  }
}

TEST(Replay, UntilEndWithoutASpeedDoesNotWait) {
  TestFolder folder;
  folder.write("in", rows_at(0, 5'000));
  SourceReader reader{timed, {{"path", "in"}, {"mode", "replay"}}, folder.path(), true, 1};
  ASSERT_TRUE(reader.open("file").ok());
  ASSERT_TRUE(reader.finish().ok());
  EXPECT_EQ(reader.records, 5'000);
  SourceReader timeless{timed, {{"path", "in"}, {"mode", "replay"}}, folder.path()};
  EXPECT_EQ(timeless.open("file").error().code, Code::bad_config);
}

TEST(Follow, IsWokenByANewLine) {
  TestFolder folder;
  folder.write("in", rows_at(0, 1));
  std::mutex mutex;
  std::condition_variable woken;
  bool awake = false;
  SourceReader reader{timed, {{"path", "in"}, {"mode", "follow"}, {"poll_wait_ms", "1 d"}}, folder.path()};
  reader.wake = [&] {
    std::lock_guard lock(mutex);
    awake = true;
    woken.notify_one();
  };
  ASSERT_TRUE(reader.open("file").ok());
  ASSERT_TRUE(reader.poll().ok());
  folder.write("in", rows_at(1, 2), true);
  {
    std::unique_lock lock(mutex);
    woken.wait(lock, [&] { return awake; });
  }
  ASSERT_TRUE(reader.poll().ok());
  EXPECT_EQ(reader.records, 2);
}

}  // namespace
}  // namespace headrace
