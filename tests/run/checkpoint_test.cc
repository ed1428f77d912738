// What a manifest may say.
#include "run/checkpoint.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

TEST(Manifest, SaysWhatItWasToldTo) {
  Manifest manifest;
  manifest.lineage = "a \"lineage\"";
  manifest.now_us = 7;
  manifest.sources["s"] = {"{}", {{"", EventTime{-5}, true}}, 3, 2, 1, true};
  manifest.tables = {{0, 1, "t", {"k"}, {"BIGINT"}, {"VARCHAR"}, 16}};
  const Result<Manifest> read = Manifest::parse(manifest.json());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->json(), manifest.json());
}

TEST(Manifest, RefusesRowsWiderThanRowsCanBe) {
  Manifest manifest;
  manifest.tables = {{0, 0, "t", {}, {"BIGINT"}, {}, UINT64_MAX - 15}};
  const Result<Manifest> read = Manifest::parse(manifest.json());
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Code::corrupt_state);
}

}  // namespace
}  // namespace headrace
