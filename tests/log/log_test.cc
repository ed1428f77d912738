// The log under crashes, rot and a full disk. A crash is a copy of the directory with everything behind the last sync
// cut at a random byte; the disk fails through this program's own write and fdatasync, which come before the C
// library's.
#include "log/log.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "base/file.h"
#include "log/crc32c.h"

namespace {

std::atomic<int64_t> disk_bytes_left{-1};  // < 0: no limit.
std::atomic<bool> sync_fails{false};

}  // namespace

extern "C" ssize_t write(int descriptor, const void* bytes, size_t count) {
  int64_t left = disk_bytes_left;
  if (left >= 0 && descriptor > 2) {
    if (left == 0) return errno = ENOSPC, -1;
    count = std::min<size_t>(count, left);  // As a real disk: takes what fits, then says it is full.
    disk_bytes_left = left - static_cast<int64_t>(count);
  }
  return syscall(SYS_write, descriptor, bytes, count);
}

extern "C" int fdatasync(int descriptor) {
  if (sync_fails) return errno = EIO, -1;
  return static_cast<int>(syscall(SYS_fdatasync, descriptor));
}

namespace headrace {
namespace {

namespace fs = std::filesystem;

class LogTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "headrace_log_XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
  }
  void TearDown() override {
    disk_bytes_left = -1;
    sync_fails = false;
    fs::remove_all(directory_);
  }

  std::unique_ptr<Log> open(int64_t segment_bytes = 64 << 20) { return open_at(directory_, segment_bytes); }
  static std::unique_ptr<Log> open_at(const std::string& directory, int64_t segment_bytes) {
    Result<std::unique_ptr<Log>> log =
        Log::open({.directory = directory, .segment_bytes = segment_bytes, .pending_bytes_max = 1 << 20});
    EXPECT_TRUE(log.ok()) << (log.ok() ? "" : log.error().text());
    return log.ok() ? std::move(log).value() : nullptr;
  }
  std::vector<std::string> segments() const {
    std::vector<std::string> out;
    std::vector<std::string> names = list_directory(directory_).value();
    for (const std::string& name : names) out.push_back(directory_ + "/" + name);
    return out;
  }
  static std::vector<std::string> all(Log& log, int64_t from, int64_t bytes_max) {
    std::vector<std::string> out;
    for (int64_t number = from; number < log.end();) {
      Result<std::vector<LogRecord>> part = log.read(number, bytes_max);
      EXPECT_TRUE(part.ok()) << (part.ok() ? "" : part.error().text());
      if (!part.ok() || part->empty()) break;
      for (LogRecord& record : *part) {
        EXPECT_EQ(record.number, number++);
        out.push_back(std::move(record.bytes));
      }
    }
    return out;
  }

  std::string directory_;
};

TEST_F(LogTest, Crc32cIsCastagnolis) {
  EXPECT_EQ(crc32c(0, "123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(crc32c(0, "1234"), "56789"), 0xE3069283u);
}

TEST_F(LogTest, GivesBackWhatWasAppendedOverSegmentsAndRestarts) {
  std::vector<std::string> written;
  for (int restart = 0; restart < 3; ++restart) {
    auto log = open(1000);
    EXPECT_EQ(log->end(), static_cast<int64_t>(written.size()));
    for (int i = 0; i < 50; ++i) {
      written.push_back(std::string(i * 7 % 200, static_cast<char>('a' + i % 26)));
      EXPECT_EQ(log->append(written.back()).value(), static_cast<int64_t>(written.size()) - 1);
    }
    EXPECT_EQ(all(*log, 0, 1 << 20), written);
    EXPECT_EQ(all(*log, 0, 1), written);
    EXPECT_EQ(all(*log, 33, 100), std::vector<std::string>(written.begin() + 33, written.end()));
  }
  EXPECT_GT(segments().size(), 5u);
}

TEST_F(LogTest, ReadsRecordsLargerThanItsBuffer) {
  auto log = open();
  std::string large(900'000, 'x');
  ASSERT_TRUE(log->append("small").ok());
  ASSERT_TRUE(log->append(large).ok());
  ASSERT_TRUE(log->append("after").ok());
  EXPECT_EQ(all(*log, 0, 1), (std::vector<std::string>{"small", large, "after"}));
}

TEST_F(LogTest, ReleaseRemovesWholeSegmentsOnly) {
  auto log = open(1000);
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(log->append(std::string(200, 'a')).ok());
  size_t before = segments().size();
  ASSERT_TRUE(log->release(20).ok());
  EXPECT_LT(segments().size(), before);
  EXPECT_LE(log->begin(), 20);
  EXPECT_GT(log->begin(), 15);
  ASSERT_TRUE(log->release(40).ok());
  EXPECT_EQ(segments().size(), 1u);
  log.reset();
  EXPECT_EQ(open(1000)->end(), 40);
}

TEST_F(LogTest, RotInTheMiddleIsAnErrorAndNotACut) {
  for (bool in_last_segment : {false, true}) {
    {
      auto log = open(1000);
      for (int i = 0; i < 12; ++i) ASSERT_TRUE(log->append(std::string(150, 'a')).ok());
    }
    std::string path = in_last_segment ? segments().back() : segments().front();
    std::string text = read_file(path).value();
    std::string rotten = text;
    rotten[60] ^= 1;
    ASSERT_TRUE(write_file_atomically(path, rotten).ok());
    Result<std::unique_ptr<Log>> log = Log::open({.directory = directory_, .segment_bytes = 1000});
    ASSERT_FALSE(log.ok());
    EXPECT_EQ(log.error().code, Code::corrupt_state);
    ASSERT_TRUE(write_file_atomically(path, text).ok());
  }
}

TEST_F(LogTest, AMissingSegmentIsAnError) {
  {
    auto log = open(500);
    for (int i = 0; i < 12; ++i) ASSERT_TRUE(log->append(std::string(150, 'a')).ok());
  }
  ASSERT_TRUE(remove_file(segments()[1]).ok());
  EXPECT_EQ(Log::open({.directory = directory_}).error().code, Code::corrupt_state);
}

TEST_F(LogTest, ASegmentWithoutItsHeaderIsBegunAgain) {
  {
    auto log = open();
    ASSERT_TRUE(log->append("kept").ok());
  }
  ASSERT_TRUE(File::open(directory_ + "/00000000000000000001.log", File::Mode::append).value().write("HRLO").ok());
  auto log = open();
  ASSERT_NE(log, nullptr);
  EXPECT_EQ(log->append("next").value(), 1);
  EXPECT_EQ(all(*log, 0, 1 << 20), (std::vector<std::string>{"kept", "next"}));
}

TEST_F(LogTest, AFullDiskRefusesThatAppendAndTheLogGoesOn) {
  auto log = open();
  ASSERT_TRUE(log->append("first").ok());
  disk_bytes_left = 100;
  Result<int64_t> refused = log->append(std::string(5000, 'x'));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::disk_full);
  disk_bytes_left = 100;
  EXPECT_EQ(log->append("fits").value(), 1);
  disk_bytes_left = -1;
  EXPECT_EQ(log->append(std::string(5000, 'y')).value(), 2);
  log.reset();
  EXPECT_EQ(all(*open(), 0, 1 << 20), (std::vector<std::string>{"first", "fits", std::string(5000, 'y')}));
}

TEST_F(LogTest, AFullDiskWhileASegmentBeginsIsNoEnd) {
  auto log = open(100);
  ASSERT_TRUE(log->append(std::string(200, 'a')).ok());
  disk_bytes_left = 10;
  EXPECT_EQ(log->append("b").error().code, Code::disk_full);
  disk_bytes_left = -1;
  EXPECT_EQ(log->append("c").value(), 1);
  log.reset();
  EXPECT_EQ(all(*open(100), 0, 1 << 20), (std::vector<std::string>{std::string(200, 'a'), "c"}));
}

TEST_F(LogTest, AFailedSyncIsFinal) {
  auto log = open();
  ASSERT_TRUE(log->append("kept").ok());
  sync_fails = true;
  EXPECT_EQ(log->append("lost").error().code, Code::io_error);
  sync_fails = false;
  EXPECT_EQ(log->append("refused").error().code, Code::io_error);
  EXPECT_EQ(log->end(), 1);
}

TEST_F(LogTest, ManyAppendersShareSyncsAndEachIsThereOnce) {
  auto log = open(20'000);
  std::atomic<int64_t> wakes{0};
  log->on_durable([&] { ++wakes; });
  constexpr int threads = 8, each = 200;
  std::vector<std::thread> appenders;
  std::vector<std::vector<int64_t>> numbers(threads);
  for (int t = 0; t < threads; ++t)
    appenders.emplace_back([&, t] {
      for (int i = 0; i < each; ++i)
        numbers[t].push_back(log->append(std::to_string(t) + ":" + std::to_string(i)).value());
    });
  for (std::thread& appender : appenders) appender.join();
  std::vector<std::string> found = all(*log, 0, 4096);
  ASSERT_EQ(found.size(), static_cast<size_t>(threads * each));
  for (int t = 0; t < threads; ++t)
    for (int i = 0; i < each; ++i) EXPECT_EQ(found[numbers[t][i]], std::to_string(t) + ":" + std::to_string(i));
  EXPECT_GE(wakes, 1);
  EXPECT_LE(wakes, threads * each);
}

TEST_F(LogTest, ACrashAtAnyByteKeepsWhatWasAcknowledged) {
  std::mt19937_64 random(20261123);
  for (int round = 0; round < 60; ++round) {
    fs::remove_all(directory_);
    fs::create_directories(directory_);
    std::vector<std::string> written;
    int64_t acknowledged = 0;
    uint64_t durable_bytes = 0;
    std::string last_segment;
    for (int life = 0; life < 4; ++life) {
      auto log = open(2000);
      ASSERT_NE(log, nullptr);
      std::vector<std::string> found = all(*log, 0, 300);
      ASSERT_GE(static_cast<int64_t>(found.size()), acknowledged);
      ASSERT_LE(found.size(), written.size());
      for (size_t i = 0; i < found.size(); ++i) ASSERT_EQ(found[i], written[i]);
      written = found;
      for (int64_t n = random() % 20; n > 0; --n) {
        written.push_back(std::string(random() % 400, static_cast<char>('a' + random() % 26)));
        ASSERT_TRUE(log->append(written.back()).ok());
      }
      acknowledged = static_cast<int64_t>(written.size());
      last_segment = segments().back();
      durable_bytes = fs::file_size(last_segment);
      // What the crash catches: written, never synced, never acknowledged.
      std::string torn(random() % 600, 'z');
      written.push_back(torn);
      sync_fails = true;
      ASSERT_FALSE(log->append(torn).ok());
      sync_fails = false;
      log.reset();
      if (segments().back() != last_segment) durable_bytes = 0, last_segment = segments().back();
      uint64_t size = fs::file_size(last_segment);
      fs::resize_file(last_segment, durable_bytes + random() % (size - durable_bytes + 1));
      if (random() % 2 && fs::file_size(last_segment) > durable_bytes) {
        // Pages reach a disk in any order: one in the middle of the torn part may be missing.
        std::string text = read_file(last_segment).value();
        text[durable_bytes + random() % (text.size() - durable_bytes)] ^= 0x40;
        std::ofstream(last_segment, std::ios::binary) << text;
      }
    }
  }
}

TEST_F(LogTest, TooMuchThatWaitsIsRefused) {
  auto log = open();
  // One append always fits; beside a waiting one, more than 1 MiB does not.
  std::atomic<int> refused{0}, taken{0};
  std::vector<std::thread> appenders;
  for (int t = 0; t < 16; ++t)
    appenders.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        Result<int64_t> number = log->append(std::string(700'000, 'x'));
        if (number.ok())
          ++taken;
        else if (number.error().code == Code::overloaded)
          ++refused;
      }
    });
  for (std::thread& appender : appenders) appender.join();
  EXPECT_EQ(refused + taken, 320);
  EXPECT_GT(refused, 0);
  EXPECT_EQ(log->end(), taken);
  EXPECT_EQ(log->pending_bytes(), 0);
}

}  // namespace
}  // namespace headrace
