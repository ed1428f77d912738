// AlertOperator: a tick tells what it has changed, and nothing of the rows that go on as they were.
#include "ops/alert.h"

#include <gtest/gtest.h>

#include "ops/operator_fixture.h"
#include "ops/waiting.h"

namespace headrace {
namespace {

struct Told {
  int64_t id;  ///< -1 = forgotten.
  AlertState state;
  bool event;
  bool operator==(const Told&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Told& told) {
  return out << told.id << " state " << static_cast<int>(told.state) << (told.event ? " event" : "");
}

constexpr AlertState pending = AlertState::pending, firing = AlertState::firing, resolved = AlertState::resolved;
const Told forgotten{-1, AlertState{}, false};

/// Over rows (id BIGINT, holds BOOLEAN) with the key id; the condition is `holds`.
class Alert : public OperatorTest<AlertOperator, AlertNode> {
 protected:
  void SetUp() override {
    OperatorTest::SetUp();
    if (HasFatalFailure()) return;
    node_.output.columns = {{"id", LogicalType::BIGINT}, {"holds", LogicalType::BOOLEAN}};
    node_.output.key = {0};
    node_.output.changelog = Changelog::retract;
    node_.condition = Expr::reference(1, LogicalType::BOOLEAN, "holds");
    reopen();
  }

  /// One tick in which the rows `ids` come (diff 1) or go (diff -1).
  std::vector<Told> tick(int64_t now_us, const std::vector<int64_t>& ids = {}, int32_t diff = 1) {
    Gathered out;
    if (!ids.empty()) {
      Batch batch = Batch::make(node_.output.schema());
      for (size_t i = 0; i < ids.size(); ++i) {
        batch.chunk.SetValue(0, i, duckdb::Value::BIGINT(ids[i]));
        batch.chunk.SetValue(1, i, duckdb::Value::BOOLEAN(true));
      }
      batch.chunk.SetCardinality(ids.size());
      batch.diffs.assign(ids.size(), diff);
      EXPECT_TRUE(op_->on_batch(0, std::move(batch), out).ok());
    }
    EXPECT_TRUE(op_->on_tick_end({Tick{}, now_us, false}, out).ok());
    std::vector<Told> told;
    for (const AlertChange& change : op_->take_changes()) {
      if (!change.now)
        told.push_back(forgotten);
      else
        told.push_back({change.now->row->chunk.GetValue(0, 0).GetValue<int64_t>(), change.now->state, change.event});
    }
    return told;
  }
};

TEST_F(Alert, WhatFiresOnIsNotToldAgain) {
  EXPECT_EQ(tick(10, {1, 2}), (std::vector<Told>{{1, firing, true}, {2, firing, true}}));
  EXPECT_FALSE(op_->waits_for_clock());
  EXPECT_EQ(tick(20), std::vector<Told>{});
  EXPECT_EQ(tick(30, {3}), (std::vector<Told>{{3, firing, true}}));
  EXPECT_EQ(tick(40, {2}, -1), (std::vector<Told>{{2, resolved, true}}));
  EXPECT_TRUE(op_->waits_for_clock());
  EXPECT_EQ(tick(50), std::vector<Told>{forgotten});
  EXPECT_FALSE(op_->waits_for_clock());
  EXPECT_EQ(op_->tables()[0]->rows(), 2);
}

TEST_F(Alert, ARowThatWaitsIsToldWhenItFires) {
  node_.for_ms = 1;
  reopen();
  EXPECT_EQ(tick(10, {1, 2}), (std::vector<Told>{{1, pending, false}, {2, pending, false}}));
  EXPECT_EQ(tick(500, {2}, -1), std::vector<Told>{forgotten});  // Nobody was told that it fires.
  EXPECT_TRUE(op_->waits_for_clock());
  EXPECT_EQ(tick(1010), (std::vector<Told>{{1, firing, true}}));
  EXPECT_FALSE(op_->waits_for_clock());
}

TEST_F(Alert, ARestoreTellsAllAndNoEvent) {
  tick(10, {1, 2});
  restore();
  EXPECT_EQ(tick(20), (std::vector<Told>{{1, firing, false}, {2, firing, false}}));
  EXPECT_EQ(tick(30), std::vector<Told>{});
}

}  // namespace
}  // namespace headrace
