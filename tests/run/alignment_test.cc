#include "run/alignment.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

/// A source whose polls give nothing but what the test says of them.
class ToldSource final : public Source {
 public:
  explicit ToldSource(const SourceContext& context)
      : splits_(context.options->integer("splits")), pauses_(context.options->boolean("pauses")) {
    last = this;
  }
  Result<> open(const std::optional<Position>&) override { return {}; }
  Result<Polled> poll(int64_t) override {
    ++polls;
    Polled out;
    out.backlog = backlog;
    out.end_of_input = ends;
    return out;
  }
  bool pause(const std::vector<bool>& splits) override {
    if (pauses_) paused = splits;
    return pauses_;
  }
  uint32_t splits() const override { return static_cast<uint32_t>(splits_); }
  std::string split_name(uint32_t split) const override { return splits_ == 1 ? "" : "day_" + std::to_string(split); }
  Position position() const override { return {}; }
  Result<> committed(const Position&) override { return {}; }

  static inline ToldSource* last = nullptr;
  std::vector<uint32_t> backlog;  ///< What a poll tells.
  bool ends = false;
  int polls = 0;
  std::vector<bool> paused;

 private:
  const int64_t splits_;
  const bool pauses_;
};

constexpr ConfigField told_fields[] = {{"splits", FieldKind::integer, "1", ""},
                                       {"pauses", FieldKind::boolean, "true", ""}};
const ConnectorSpec told_connector{.name = "told",
                                   .summary = "",
                                   .source_fields = told_fields,
                                   .sink_fields = {},
                                   .make_source = [](const SourceContext& context) -> Result<std::unique_ptr<Source>> {
                                     return std::unique_ptr<Source>(new ToldSource(context));
                                   }};

/// Sources that meet in a union, but for `alone`, which meets no other.
class AlignmentTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { register_connector(told_connector); }

  NodeId add_node(Node node) {
    const NodeId id{static_cast<uint32_t>(plan_.nodes.size())};
    base_of(node).id = id;
    plan_.nodes.push_back(std::move(node));
    return id;
  }

  ToldSource& add(const std::string& name, const std::string& splits = "1", const std::string& pauses = "true",
                  bool timed = true) {
    SourceNode node;
    node.name = name;
    node.connector = "told";
    node.options = {{"splits", splits}, {"pauses", pauses}};
    if (timed) node.watermark.emplace();
    const NodeId id = add_node(std::move(node));
    auto input = SourceInput::make(std::get<SourceNode>(plan_[id]), {});
    EXPECT_TRUE(input.ok());
    EXPECT_TRUE((*input)->open(nullptr).ok());
    inputs_.push_back(*std::move(input));
    return *ToldSource::last;
  }

  void meet(const std::vector<uint32_t>& sources) {
    UnionNode node;
    for (uint32_t source : sources) node.inputs.push_back({NodeId{source}});
    add_node(std::move(node));
  }

  /// What a poll tells of the backlog.
  void poll(uint32_t source, std::vector<uint32_t> backlog) {
    static_cast<ToldSource&>(inputs_[source]->source()).backlog = std::move(backlog);
    TickWork work;
    EXPECT_TRUE(inputs_[source]->poll(1, work).ok());
  }

  void end(uint32_t source) {
    static_cast<ToldSource&>(inputs_[source]->source()).ends = true;
    poll(source, {});
  }

  /// Brings the watermark of one split there.
  void bring(uint32_t source, int64_t watermark_ms, uint32_t split = 0) {
    TickWork work;
    MorselJob& job = work.jobs.emplace_back();
    job.source = inputs_[source]->node().id;
    job.morsel.split = split;
    job.taken.highest = EventTime{watermark_ms};
    inputs_[source]->stamp(work);
  }

  std::string paused(int64_t drift_ms) {
    Alignment alignment(plan_, drift_ms);
    alignment.pause(inputs_);
    std::string out;
    for (const auto& input : inputs_)
      for (const SourceInput::Split& split : input->splits())
        if (split.paused) out += (out.empty() ? "" : " ") + input->node().name + split.name;
    return out;
  }

  Plan plan_;
  Alignment::Inputs inputs_;
};

TEST_F(AlignmentTest, TheOneThatIsTooFarAheadOfTheSlowestIsPaused) {
  add("slow");
  add("near");
  add("far");
  meet({0, 1, 2});
  bring(0, 1'000);
  bring(1, 3'000);
  bring(2, 3'001);
  EXPECT_EQ(paused(2'000), "far");
  EXPECT_EQ(paused(0), "near far");
  EXPECT_EQ(paused(1'999), "near far");
  EXPECT_EQ(paused(2'001), "");
  EXPECT_EQ(paused(INT64_MAX), "");
  EXPECT_EQ(paused(-1), "");
}

TEST_F(AlignmentTest, APausedSourceIsNotPolled) {
  add("slow");
  ToldSource& fast = add("fast");
  meet({0, 1});
  bring(0, 1'000);
  bring(1, 5'000);
  EXPECT_EQ(paused(1'000), "fast");
  poll(1, {});
  EXPECT_EQ(fast.polls, 0);
  bring(0, 4'000);
  EXPECT_EQ(paused(1'000), "");
  poll(1, {});
  EXPECT_EQ(fast.polls, 1);
}

TEST_F(AlignmentTest, WhatHasGivenAllItHasIsNotWaitedFor) {
  add("quiet");
  add("slow");
  add("fast");
  meet({0, 1, 2});
  bring(0, 1'000);
  bring(1, 4'000);
  bring(2, 9'000);
  EXPECT_EQ(paused(1'000), "slow fast");
  poll(0, {});
  EXPECT_EQ(paused(1'000), "fast");  // The next one that has more is behind now.
  end(1);
  EXPECT_EQ(paused(1'000), "");
  poll(0, {0});
  EXPECT_EQ(paused(1'000), "fast");
  end(0);
  EXPECT_EQ(paused(0), "");
}

TEST_F(AlignmentTest, WhatHasNoTimeYetIsNeitherPausedNorWaitedFor) {
  add("empty");
  add("fast");
  add("timeless", "1", "true", false);
  meet({0, 1, 2});
  bring(1, 9'000);
  EXPECT_EQ(paused(0), "");
  bring(0, 1'000);
  EXPECT_EQ(paused(0), "fast");
}

TEST_F(AlignmentTest, OnlySourcesThatMeetAreAligned) {
  add("slow");
  add("alone");
  add("fast");
  meet({0, 2});
  bring(0, 1'000);
  bring(1, 9'000);
  bring(2, 9'000);
  EXPECT_EQ(paused(0), "fast");
  // Sources that meet the same third one are read together as well.
  meet({2, 1});
  EXPECT_EQ(paused(0), "alone fast");
  const std::vector<uint32_t> groups = connected_groups(plan_);
  EXPECT_EQ(std::count(groups.begin(), groups.end(), groups[0]), 5);
}

TEST_F(AlignmentTest, SplitsOfOneSourceArePausedOneByOne) {
  ToldSource& days = add("days", "3");
  bring(0, 1'000, 0);
  bring(0, 1'500, 1);
  bring(0, 9'000, 2);
  EXPECT_EQ(paused(500), "daysday_2");
  EXPECT_EQ(days.paused, (std::vector<bool>{false, false, true}));
  poll(0, {1, 2});
  EXPECT_EQ(paused(500), "daysday_2");
  EXPECT_EQ(paused(0), "daysday_2");
  poll(0, {2});
  EXPECT_EQ(paused(0), "");
  EXPECT_EQ(days.paused, (std::vector<bool>{false, false, false}));
}

TEST_F(AlignmentTest, ASourceWithAnOrderOfItsOwnIsPausedWholeOrNotAtAll) {
  add("days", "2", "false");
  add("slow");
  meet({0, 1});
  bring(0, 5'000, 0);
  bring(0, 9'000, 1);
  bring(1, 6'000);
  EXPECT_EQ(paused(1'000), "");  // One split would have to wait, and cannot.
  poll(0, {});
  bring(0, 8'000, 0);
  EXPECT_EQ(paused(1'000), "daysday_0 daysday_1");
}

TEST_F(AlignmentTest, TheReasonSaysWhatIsWaitedFor) {
  add("slow");
  add("days", "2");
  meet({0, 1});
  bring(0, 1'000);
  bring(1, 2'000, 0);
  bring(1, 121'000, 1);
  Alignment alignment(plan_, 60'000);
  alignment.pause(inputs_);
  EXPECT_EQ(alignment.reason(*inputs_[1]),
            "split 1 of source days (day_1) is paused: it stands at 1970-01-01 00:02:01, 2 min ahead of source slow, "
            "which has more to read. It is read on when that has come within 1 min of it (engine.source_drift_ms)");
  EXPECT_EQ(alignment.reason(*inputs_[0]), "");
}

// A file that sorts before those known moves their numbers: a split is the one that has its name.
TEST_F(AlignmentTest, SplitsAreFoundAgainByTheirNames) {
  SourceNode node;
  node.name = "days";
  node.connector = "told";
  node.options = {{"splits", "3"}};
  node.watermark.emplace();
  auto input = SourceInput::make(node, {});
  ASSERT_TRUE(input.ok());
  SourceCheckpoint before;
  before.splits = {{"day_2", EventTime{2'000}, true}, {"day_1", EventTime{1'000}, false}};
  ASSERT_TRUE((*input)->open(&before).ok());
  const std::vector<SplitCheckpoint> after = (*input)->checkpoint().splits;
  ASSERT_EQ(after.size(), 3u);
  EXPECT_EQ(after[0].name, "day_0");
  EXPECT_EQ(after[0].watermark, EventTime{1'000});  // A new one begins where the source stands.
  EXPECT_EQ(after[1].watermark, EventTime{1'000});
  EXPECT_EQ(after[2].watermark, EventTime{2'000});
  EXPECT_TRUE(after[2].ended);
  EXPECT_FALSE(after[1].ended);
}

}  // namespace
}  // namespace headrace
