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

}  // namespace
}  // namespace headrace
