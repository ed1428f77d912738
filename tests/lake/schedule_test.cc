// The sink under random crashes, with the real steward: whatever is interrupted, every checkpointed row is there once.
#include <csignal>
#include <numeric>
#include <random>

#include "lake/lake_fixture.h"

namespace headrace {
namespace {

TEST_F(LakeTest, any_schedule_of_crashes_leaves_every_row_once) {
  for (uint64_t seed = 1; seed <= 2; ++seed) {
    std::mt19937_64 random(seed);
    auto chance = [&](uint64_t of) { return random() % of == 0; };
    lineage = "seed-" + std::to_string(seed);
    std::shared_ptr<Steward> steward =
        Steward::of(warehouse());  // Outlives the sinks, so that a restart costs no interpreter.
    IcebergSinkOptions chosen = options();
    chosen.commit_interval_ms = seed % 2 == 0 ? 2'000 : 0;

    Checkpoint checkpoint;
    int64_t next_key = static_cast<int64_t>(seed) * 1'000'000, first_key = next_key;
    std::unique_ptr<IcebergSink> sink;
    auto restart = [&] {
      sink.reset();
      sink = make_sink(chosen, schema);
      Result<> opened = open(*sink, checkpoint);
      ASSERT_TRUE(opened.ok()) << "seed " << seed << ": " << opened.error().text();
    };
    restart();
    for (int step = 0; step < 30; ++step) {
      clock.now_ns += 1'000'000'000;
      if (chance(8)) ::kill(steward->pid(), SIGKILL);
      std::vector<int64_t> keys(random() % 4);
      std::iota(keys.begin(), keys.end(), next_key);
      if (chance(5)) {  // The engine dies before its checkpoint is durable, with or without prepared files.
        EXPECT_TRUE(sink->write(rows(keys)).ok());
        if (chance(2)) {
          EXPECT_TRUE(sink->prepare(identity({checkpoint.epoch + 1, 1, ""})).ok());
        }
        restart();
        continue;
      }
      checkpoint = prepare(*sink, checkpoint, keys);
      next_key += static_cast<int64_t>(keys.size());
      if (chance(4)) {  // It dies before the commit,
        restart();
        continue;
      }
      Result<> landed = commit(*sink, checkpoint);
      ASSERT_TRUE(landed.ok()) << "seed " << seed << ": " << landed.error().text();
      if (chance(4)) restart();  // or after it.
    }
    ASSERT_TRUE(sink->finish().ok());
    std::vector<int64_t> expected(static_cast<size_t>(next_key - first_key));
    std::iota(expected.begin(), expected.end(), first_key);
    EXPECT_EQ(visible(), expected) << "seed " << seed;
    sink.reset();
    steward.reset();
    TearDown();
    SetUp();
  }
}

/// Runs one epoch in a process that is killed at a crash point, and goes on in this one.
class CrashTest : public LakeTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(CrashTest, a_kill_at_the_point_loses_and_repeats_nothing) {
  ::testing::GTEST_FLAG(death_test_style) =
      "threadsafe";  // The child is a new process that comes here again: it takes our folder.
  if (const char* ours = std::getenv("LAKE_TEST_FOLDER")) folder = ours;
  ::setenv("LAKE_TEST_FOLDER", folder.c_str(), 1);
  ::setenv("HEADRACE_CRASH", (std::string(GetParam()) + ":1").c_str(), 1);
  auto run_until_killed = [&] {
    auto sink = make_sink();
    if (!open(*sink, {}).ok()) std::_Exit(3);
    Checkpoint first{1, 1, ""};
    if (!sink->write(rows({1, 2})).ok()) std::_Exit(4);
    Result<std::string> prepared = sink->prepare(identity(first));
    if (!prepared.ok()) std::_Exit(5);
    first.prepared = *prepared;
    if (!write_file_atomically(folder + "/checkpoint", first.prepared).ok()) std::_Exit(6);
    if (!commit(*sink, first).ok()) std::_Exit(7);
  };
  EXPECT_EXIT(run_until_killed(), ::testing::KilledBySignal(SIGKILL), "");
  ::unsetenv("HEADRACE_CRASH");
  ::unsetenv("LAKE_TEST_FOLDER");

  Result<std::string> prepared = read_file(folder + "/checkpoint");
  Checkpoint checkpoint = prepared.ok() ? Checkpoint{1, 1, *prepared} : Checkpoint{};
  auto sink = make_sink();
  Result<> opened = open(*sink, checkpoint);
  ASSERT_TRUE(opened.ok()) << opened.error().text();
  EXPECT_EQ(visible(), prepared.ok() ? (std::vector<int64_t>{1, 2}) : std::vector<int64_t>{});
  EXPECT_EQ(files_on_disk(), prepared.ok() ? 1u : 0u);
  ASSERT_TRUE(commit(*sink, prepare(*sink, checkpoint, {3})).ok());
  EXPECT_EQ(visible().size(), prepared.ok() ? 3u : 1u);
}

INSTANTIATE_TEST_SUITE_P(Points, CrashTest,
                         ::testing::Values("lake_prepared", "lake_commit_before", "lake_commit_after"));

}  // namespace
}  // namespace headrace
