#include "run/view_feed.h"

#include <gtest/gtest.h>

#include <future>

namespace headrace {
namespace {

constexpr int64_t second_ns = 1'000'000'000;

std::map<std::string, std::shared_ptr<const ViewSnapshot>> one_view() {
  std::map<std::string, std::shared_ptr<const ViewSnapshot>> out;
  out["v"] = std::make_shared<TablesSnapshot>(nullptr, std::vector<std::shared_ptr<const TableSnapshot>>{});
  return out;
}

class ViewFeedsTest : public testing::Test {
 protected:
  ViewFeedsTest() { feeds_.publish(Tick{1}, Tick{}, one_view(), {}); }

  /// Asks from another thread.
  std::future<Tick> ask() {
    return std::async(std::launch::async, [&] {
      std::shared_ptr<const Published> published = feeds_.published();
      return published->views.contains("v") ? published->tick : Tick{};
    });
  }

  ViewFeeds feeds_{Plan{}};
};

TEST_F(ViewFeedsTest, AViewNobodyAskedForIsLetGoOfWhileItChanges) {
  std::map<std::string, std::shared_ptr<const ViewSnapshot>> views = one_view();
  std::weak_ptr<const ViewSnapshot> shown = views["v"];
  feeds_.publish(Tick{2}, Tick{}, std::move(views), {});
  feeds_.change(10 * second_ns, true);
  EXPECT_TRUE(shown.expired());
}

TEST_F(ViewFeedsTest, WhoAsksMeanwhileGetsTheTickThatWasRunning) {
  feeds_.change(10 * second_ns, true);
  std::future<Tick> asked = ask();
  EXPECT_EQ(asked.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  feeds_.publish(Tick{2}, Tick{}, one_view(), {});
  EXPECT_EQ(asked.get(), Tick{2});
}

TEST_F(ViewFeedsTest, OneWhoAskedLatelyDoesNotWait) {
  feeds_.published();
  feeds_.change(10 * second_ns, true);
  EXPECT_EQ(ask().get(), Tick{1});
  feeds_.publish(Tick{2}, Tick{}, one_view(), {});
  feeds_.change(10 * second_ns + second_ns / 2, true);
  EXPECT_EQ(ask().get(), Tick{2});
}

TEST_F(ViewFeedsTest, NobodyWaitsForATickThatMayTakeLong) {
  feeds_.change(10 * second_ns, false);
  EXPECT_EQ(ask().get(), Tick{1});
}

TEST_F(ViewFeedsTest, NobodyWaitsForATickThatFailed) {
  feeds_.change(10 * second_ns, true);
  std::future<Tick> asked = ask();
  feeds_.close();
  EXPECT_EQ(asked.get(), Tick{}) << "there is nothing to show";
}

/// A view of one number, and the changes of a tick: one row.
std::map<std::string, std::vector<std::shared_ptr<const Batch>>> one_change(const SchemaRef& schema) {
  auto batch = std::make_shared<Batch>();
  batch->chunk.Initialize(duckdb::Allocator::DefaultAllocator(), schema->types(), 1);
  batch->chunk.data[0].SetValue(0, duckdb::Value::BIGINT(1));
  batch->chunk.SetCardinality(1);
  return {{"v", {std::move(batch)}}};
}

TEST(ViewFeedsOfAPlan, ChangesAreKeptUpToAnAmountOfMemory) {
  Plan plan;
  ViewNode view;
  view.name = "v";
  plan.nodes.push_back(std::move(view));
  ViewFeeds feeds(plan);
  const auto schema = std::make_shared<Schema>(std::vector<Field>{{"n", LogicalType::BIGINT}});
  std::weak_ptr<const Batch> first;
  auto tell = [&](uint64_t tick) {
    auto change = one_change(schema);
    if (tick == 1) first = change["v"][0];
    feeds.publish(Tick{tick}, Tick{}, {}, std::move(change));
  };
  uint64_t tick = 0;
  while (tick < 1000) tell(++tick);
  EXPECT_FALSE(first.expired());
  while (tick < 50'000) tell(++tick);  // Each takes a few hundred bytes at least, however few its rows are.
  EXPECT_TRUE(first.expired());
}

}  // namespace
}  // namespace headrace
