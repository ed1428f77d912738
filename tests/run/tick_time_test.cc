// The time of a tick never lies before that of an earlier one, whatever the machine's clock says, and over a restart.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/clock.h"
#include "run/checkpoint.h"
#include "run/engine.h"

namespace headrace {
namespace {

class SetClock final : public Clock {
 public:
  int64_t now_us() const override { return now; }
  int64_t steady_ns() const override { return now * 1000; }

  int64_t now = 0;
};

/// The engine's tick time after one tick more over the state directory, with the clock at `now_us`.
int64_t tick_at(int64_t now_us, const std::string& state) {
  SetClock clock;
  clock.now = now_us;
  PipelineOptions options;
  options.state_directory = state;
  options.shards = 1;
  options.clock = &clock;
  ParsedFile parsed = parse_statements(
      "CREATE SOURCE s (n BIGINT) WITH (connector = 'generator', rows = '1', column.n = 'sequence(0, 1)');"
      "CREATE MATERIALIZED VIEW v AS SELECT n, now() AS at FROM s;",
      "test.sql");
  EXPECT_TRUE(parsed.errors.empty());
  CheckedProject project = check_statements(options, Project(), parsed.statements);
  EXPECT_TRUE(project.errors.empty()) << project.errors.front().text();
  Engine engine(options, std::move(project));
  EXPECT_TRUE(engine.prepare().ok());
  EXPECT_TRUE(engine.step().ok());
  EXPECT_TRUE(engine.checkpoint_now().ok());
  const Result<std::optional<Manifest>> manifest = Manifest::read(state);
  EXPECT_TRUE(manifest && *manifest);
  return (*manifest)->now_us;
}

TEST(TickTime, DoesNotGoBack) {
  std::string state = (std::filesystem::temp_directory_path() / "headrace-tick-time-XXXXXX").string();
  ASSERT_NE(::mkdtemp(state.data()), nullptr);
  EXPECT_EQ(tick_at(1000, state), 1000);
  EXPECT_EQ(tick_at(500, state), 1000);
  EXPECT_EQ(tick_at(2000, state), 2000);
  std::filesystem::remove_all(state);
}

}  // namespace
}  // namespace headrace
