// TemporalFilterOperator under a clock that the test moves: rows come in, go, are taken back before and after, and
// survive a restore.
#include "ops/temporal_filter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>

#include "ops/operator_fixture.h"
#include "ops/waiting.h"

namespace headrace {
namespace {

struct Row {
  int64_t id;
  std::optional<int64_t> us;
};
using Told = std::vector<std::pair<int64_t, int32_t>>;  // Id and sign, sorted.

/// Rows (id BIGINT, ts TIMESTAMP), each there from `from` on until `until`, both counted from its ts.
class TemporalFilter : public OperatorTest<TemporalFilterOperator, TemporalFilterNode> {
 protected:
  void make(std::optional<int64_t> from_us, std::optional<int64_t> until_us) {
    const Expr ts = Expr::reference(1, LogicalType::TIMESTAMP, "ts");
    node_.output.columns = {{"id", LogicalType::BIGINT}, {"ts", LogicalType::TIMESTAMP}};
    if (from_us) node_.bounds.push_back({ts, *from_us, 1, false});
    if (until_us) node_.bounds.push_back({ts, *until_us, 1, true});
    reopen();
  }

  /// One tick with these rows; gives what was told in it.
  Told tick(int64_t now_us, const std::vector<Row>& rows, int32_t diff = 1) {
    Gathered out;
    out.counters = counters_;
    EvaluationContext::set_now(now_us);
    if (!rows.empty()) {
      Batch batch = Batch::make(node_.output.schema());
      for (size_t i = 0; i < rows.size(); ++i) {
        batch.chunk.SetValue(0, i, duckdb::Value::BIGINT(rows[i].id));
        batch.chunk.SetValue(1, i,
                             rows[i].us ? duckdb::Value::TIMESTAMP(duckdb::timestamp_t(*rows[i].us))
                                        : duckdb::Value(LogicalType::TIMESTAMP));
      }
      batch.chunk.SetCardinality(rows.size());
      if (diff < 0) batch.diffs.assign(rows.size(), diff);
      out.counters.rows_in += batch.rows();
      EXPECT_TRUE(op_->on_batch(0, std::move(batch), out).ok());
    }
    EXPECT_TRUE(op_->on_tick_end({Tick{}, now_us, false}, out).ok());
    counters_ = out.counters;
    EXPECT_EQ(counters_.rows_in, counters_.passed + counters_.filtered + counters_.held);
    Told told;
    for (const Batch& batch : out.batches)
      for (int64_t row = 0; row < batch.rows(); ++row)
        told.push_back({batch.chunk.GetValue(0, static_cast<size_t>(row)).GetValue<int64_t>(), batch.diff(row)});
    std::sort(told.begin(), told.end());
    return told;
  }
  int64_t kept() const { return op_->tables()[0]->rows(); }

  NodeCounters counters_;
};

TEST_F(TemporalFilter, RowsComeAndGoByThemselves) {
  make(0, 100);
  EXPECT_EQ(op_->due_us(), never_due);
  EXPECT_EQ(tick(1000, {{1, 950}, {2, 1000}, {3, 1050}, {4, 900}, {5, std::nullopt}}), (Told{{1, 1}, {2, 1}}));
  EXPECT_EQ(counters_.held, 1);
  EXPECT_EQ(counters_.filtered, 2);
  EXPECT_EQ(op_->due_us(), 1050);
  EXPECT_EQ(tick(1049, {}), Told{});
  EXPECT_EQ(tick(1050, {}), (Told{{1, -1}, {3, 1}}));  // The bound itself lies outside.
  EXPECT_EQ(tick(1099, {}), Told{});
  EXPECT_EQ(tick(1150, {}), (Told{{2, -1}, {3, -1}}));
  EXPECT_EQ(kept(), 0);
  EXPECT_EQ(op_->due_us(), never_due);
}

TEST_F(TemporalFilter, WhatStaysForEverIsNotKept) {
  make(0, std::nullopt);
  EXPECT_EQ(tick(10, {{1, 5}, {2, 20}}), (Told{{1, 1}}));
  EXPECT_EQ(kept(), 1);
  EXPECT_EQ(tick(20, {}), (Told{{2, 1}}));
  EXPECT_EQ(kept(), 0);
  EXPECT_EQ(tick(30, {{1, 5}, {2, 20}}, -1), (Told{{1, -1}, {2, -1}}));
}

TEST_F(TemporalFilter, RowsAreTakenBackAtAnyTime) {
  make(0, 100);
  tick(10, {{1, 10}, {2, 50}, {3, 10}, {4, 10}});
  EXPECT_EQ(tick(20, {{1, 10}, {2, 50}}, -1), (Told{{1, -1}}));  // Nobody was told of 2.
  EXPECT_EQ(tick(60, {}), Told{});
  EXPECT_EQ(tick(110, {{3, 10}}, -1), (Told{{3, -1}, {4, -1}}));  // 3 has gone by itself before.
  EXPECT_EQ(tick(120, {{4, 10}}, -1), Told{});
  EXPECT_EQ(kept(), 0);
}

TEST_F(TemporalFilter, EqualRowsAreCounted) {
  make(0, 100);
  EXPECT_EQ(tick(10, {{1, 10}, {1, 10}, {2, 50}, {2, 50}, {2, 50}}), (Told{{1, 1}, {1, 1}}));
  EXPECT_EQ(kept(), 2);
  EXPECT_EQ(tick(20, {{1, 10}, {2, 50}}, -1), (Told{{1, -1}}));
  EXPECT_EQ(tick(50, {{1, 10}}), (Told{{1, 1}, {2, 1}, {2, 1}}));
  EXPECT_EQ(tick(110, {}), (Told{{1, -1}, {1, -1}}));
}

TEST_F(TemporalFilter, ARowMayMissItsTime) {
  make(0, 100);
  tick(0, {{1, 10}});
  EXPECT_EQ(tick(500, {}), Told{});  // No tick fell into it.
  EXPECT_EQ(counters_.held, 0);
  EXPECT_EQ(counters_.filtered, 1);
  EXPECT_EQ(kept(), 0);
}

TEST_F(TemporalFilter, ARestoreKnowsWhatWasTold) {
  make(0, 100);
  tick(10, {{1, 10}, {2, 50}});
  restore();
  EXPECT_EQ(op_->due_us(), 50);
  EXPECT_EQ(tick(60, {}), (Told{{2, 1}}));
  restore();
  EXPECT_EQ(tick(110, {{1, 10}}, -1), (Told{{1, -1}}));
  EXPECT_EQ(tick(150, {}), (Told{{2, -1}}));
}

TEST_F(TemporalFilter, TheScheduleForgetsWhatWasTakenBack) {
  make(std::nullopt, 1'000'000);
  for (int64_t i = 0; i < 10'000; ++i) {
    tick(i, {{i, i}});
    tick(i, {{i, i}}, -1);
  }
  EXPECT_EQ(kept(), 0);
  EXPECT_EQ(tick(2'000'000, {}), Told{});
}

/// Any history of additions, removals, restores and steps of the clock: after each tick just the rows are there that
/// their bounds let.
TEST_F(TemporalFilter, ShowsTheRowsWithinTheirBounds) {
  make(-20, 30);
  std::mt19937 random(7);
  auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  std::map<std::pair<int64_t, int64_t>, int64_t> rows;  // By id and time: how many.
  std::map<int64_t, int64_t> shown;                     // By id.
  for (int64_t now_us = 0, step = 0; step < 3000; now_us += below(4), ++step) {
    std::vector<Row> changed;
    int32_t diff = 1;
    if (below(3) == 0 && !rows.empty()) {
      diff = -1;
      auto at = rows.begin();
      std::advance(at, below(static_cast<int64_t>(rows.size())));
      changed.push_back({at->first.first, at->first.second});
      if (--at->second == 0) rows.erase(at);
    } else {
      for (int64_t i = below(4); i > 0; --i) {
        changed.push_back({below(5), now_us - 40 + below(80)});
        ++rows[{changed.back().id, *changed.back().us}];
      }
    }
    for (const auto& [id, sign] : tick(now_us, changed, diff)) shown[id] += sign;
    std::map<int64_t, int64_t> wanted;
    for (const auto& [row, copies] : rows)
      if (row.second - 20 <= now_us && now_us < row.second + 30) wanted[row.first] += copies;
    std::erase_if(shown, [](const auto& entry) { return entry.second == 0; });
    ASSERT_EQ(shown, wanted) << "at " << now_us;
    if (below(50) == 0) restore();
  }
}

}  // namespace
}  // namespace headrace
