// What goes through the binder as a text comes out as it went in; other texts are refused.
#include "duck/match_spec.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

MatchSpec example() {
  MatchSpec spec;
  spec.keys = 2;
  spec.sorted = true;
  spec.arguments = 3;
  spec.pattern = {{"A", 1, 1, false}, {"b \"c\" \\ 'd'", 0, unbounded_rows, true}};
  spec.defined = {1, 0};
  spec.after = AfterMatch::to_last;
  spec.after_variable = 1;
  spec.within_ms = 60'000;
  spec.measures = {{MatchValue::Kind::first, 1, 2, 7, ""}, {MatchValue::Kind::aggregate, std::nullopt, 0, 0, "sum"}};
  spec.conditions = {{MatchValue::Kind::last, 0, 1, 0, ""}};
  return spec;
}

TEST(MatchSpec, ComesOutAsItWentIn) {
  const std::string text = encode(example());
  Result<MatchSpec> read = decode_match(text);
  ASSERT_TRUE(read.ok()) << read.error().text();
  EXPECT_EQ(encode(*read), text);
  EXPECT_EQ(read->pattern[1].name, "b \"c\" \\ 'd'");
  EXPECT_EQ(read->pattern[1].max, unbounded_rows);
  EXPECT_EQ(read->added_columns(), 7u);
  EXPECT_EQ(read->measures[1].variable, std::nullopt);
}

TEST(MatchSpec, RefusesOtherTexts) {
  const std::string text = encode(example());
  for (size_t end = 0; end + 2 < text.size(); ++end) EXPECT_FALSE(decode_match(text.substr(0, end)).ok()) << end;
  MatchSpec odd = example();
  odd.defined = {2};
  EXPECT_FALSE(decode_match(encode(odd)).ok());
  odd = example();
  odd.measures[0].argument = 3;
  EXPECT_FALSE(decode_match(encode(odd)).ok());
  EXPECT_FALSE(decode_match("1 0 1 99999999999").ok());
}

}  // namespace
}  // namespace headrace
