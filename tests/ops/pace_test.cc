// EMIT EVERY: in which ticks changes are told.
#include "ops/pace.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

TickInfo at_us(int64_t now_us) {
  return {Tick{1}, now_us};
}

TEST(Pace, OnceInEachInterval) {
  Pace pace(1000);
  EXPECT_TRUE(pace.is_due(at_us(5'200'000)));
  EXPECT_FALSE(pace.is_due(at_us(5'999'999)));
  EXPECT_TRUE(pace.is_due(at_us(6'000'000)));
  EXPECT_FALSE(pace.is_due(at_us(6'000'000)));
}

TEST(Pace, AlwaysAtTheEnd) {
  Pace pace(1000);
  EXPECT_TRUE(pace.is_due(at_us(0)));
  EXPECT_TRUE(pace.is_due({Tick{2}, 1, true}));
}

TEST(Pace, WithoutAnIntervalInEveryTick) {
  Pace pace(0);
  EXPECT_TRUE(pace.is_due(at_us(7)));
  EXPECT_TRUE(pace.is_due(at_us(7)));
}

}  // namespace
}  // namespace headrace
