#include "udf/memory_slope.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

TEST(MemorySlopeTest, says_how_much_a_call_leaks) {
  MemorySlope slope;
  for (int call = 0; call < 5; ++call) slope.add(call, 1e6 + 500.0 * call);
  EXPECT_EQ(slope.bytes_per_call(), 0) << "five measurements are too few";
  for (int call = 5; call < 100; ++call) slope.add(call, 1e6 + 500.0 * call);
  EXPECT_NEAR(slope.bytes_per_call(), 500, 1e-6);
  for (int call = 100; call < 200; ++call) slope.add(call, 1e6);
  EXPECT_NEAR(slope.bytes_per_call(), 0, 1e-6) << "only the last measurements count";
  slope.clear();
  EXPECT_EQ(slope.bytes_per_call(), 0);
}

}  // namespace
}  // namespace headrace
