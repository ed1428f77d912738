// Bounds of the clock against the conditions that they are read off: for every time of a row and every now() both say
// the same.
#include "duck/clock_bound.h"

#include <gtest/gtest.h>

#include <optional>

#include "duck/conjunction.h"
#include "duck/evaluator.h"
#include "duck/session_fixture.h"

namespace headrace {
namespace {

const std::vector<BoundColumn> columns = {
    {"ts", LogicalType::TIMESTAMP}, {"tz", LogicalType::TIMESTAMP_TZ}, {"d", LogicalType::DATE}};
constexpr int64_t second_us = 1'000'000, day_us = 86'400 * second_us;
constexpr int64_t midnight_us = 20'000 * day_us;  // 2024-10-04

/// One row with all columns at `us`; its date is the day of it. NULL without.
void set_row(DataChunk& row, std::optional<int64_t> us) {
  using duckdb::Value;
  row.Reset();
  row.SetCardinality(1);
  if (!us) {
    for (size_t i = 0; i < 3; ++i) row.SetValue(i, 0, Value(columns[i].type));
    return;
  }
  const duckdb::timestamp_t time(*us);
  row.SetValue(0, 0, Value::TIMESTAMP(time));
  row.SetValue(1, 0, Value::TIMESTAMPTZ(duckdb::timestamp_tz_t(*us)));
  row.SetValue(2, 0, Value::DATE(duckdb::Timestamp::GetDate(time)));
}

class ClockConditions : public SessionTest {
 protected:
  Expr bind(const std::string& sql) {
    auto bound = session_->bind_expression(sql, columns);
    EXPECT_TRUE(bound.ok()) << bound.error().text();
    return *bound;
  }
};

class ClockBounds : public ClockConditions, public testing::WithParamInterface<const char*> {};

TEST_P(ClockBounds, SayWhatTheConditionSays) {
  const Expr condition = bind(GetParam());
  std::vector<ClockBound> bounds;
  for (const Expr& part : conjuncts(condition)) {
    auto found = clock_bounds(part);
    ASSERT_TRUE(found.ok()) << found.error().text();
    ASSERT_FALSE(found->empty()) << part.text();
    bounds.insert(bounds.end(), found->begin(), found->end());
  }
  std::vector<Expr> all = {condition};
  for (const ClockBound& bound : bounds) all.push_back(bound.time);
  Evaluator evaluator(*context_, all);
  DataChunk row, values;
  row.Initialize(duckdb::Allocator::DefaultAllocator(), {columns[0].type, columns[1].type, columns[2].type});
  duckdb::vector<LogicalType> types;
  for (const Expr& expression : all) types.push_back(expression.type());
  values.Initialize(duckdb::Allocator::DefaultAllocator(), types);

  std::vector<std::optional<int64_t>> times = {std::nullopt, INT64_MAX, -INT64_MAX};
  for (int64_t days : {-8, -7, -2, -1, 0, 1, 2, 7, 8})
    for (int64_t us : {int64_t{-1}, int64_t{0}, int64_t{1}, second_us, 3600 * second_us, day_us / 2})
      times.push_back(midnight_us + days * day_us + us);
  for (int64_t now_us : {midnight_us - 1, midnight_us, midnight_us + 1, midnight_us + second_us,
                         midnight_us + 3600 * second_us, midnight_us + day_us / 2, midnight_us + day_us}) {
    EvaluationContext::set_now(now_us);
    for (const std::optional<int64_t>& time : times) {
      set_row(row, time);
      if (!evaluator.evaluate(row, values).ok()) {
        ASSERT_TRUE(time == INT64_MAX || time == -INT64_MAX);  // There is no distance to infinity.
        continue;
      }
      const duckdb::Value answer = values.GetValue(0, 0);
      bool shown = true;
      for (size_t i = 0; i < bounds.size(); ++i) {
        const duckdb::Value value = values.GetValue(i + 1, 0);
        const int64_t moment = value.IsNull()
                                   ? 0
                                   : bounds[i].moment_us(value.type().id() == LogicalTypeId::TIMESTAMP
                                                             ? value.GetValue<duckdb::timestamp_t>().value
                                                             : value.GetValue<duckdb::timestamp_tz_t>().value);
        shown = shown && !value.IsNull() && (bounds[i].until ? now_us < moment : now_us >= moment);
      }
      EXPECT_EQ(shown, !answer.IsNull() && answer.GetValue<bool>())
          << row.GetValue(0, 0).ToString() << " at " << now_us << " of " << condition.text();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Forms, ClockBounds,
    testing::Values("ts > now()", "ts >= now()", "ts < now()", "ts <= now()", "now() < ts", "now() >= tz",
                    "ts > now() - INTERVAL '1' DAY", "tz >= now() - INTERVAL '90' MINUTE",
                    "ts < now() + INTERVAL 1 HOUR", "ts <= INTERVAL 1 HOUR + now()", "ts + INTERVAL '7' DAY > now()",
                    "d > now()", "d = CURRENT_DATE", "d >= CURRENT_DATE - 7", "d < CURRENT_DATE + 1",
                    "d > CURRENT_DATE - INTERVAL 7 DAY", "ts >= CURRENT_DATE", "ts < CURRENT_DATE", "ts > today()",
                    "CAST(ts AS DATE) = CURRENT_DATE", "CAST(ts AS DATE) <= CAST(now() AS DATE)",
                    "ts >= date_trunc('day', now())", "ts < date_trunc('hour', now()) + INTERVAL '1' HOUR",
                    "ts > date_trunc('minute', now())", "tz = now()", "NOT ts > now()", "ts > CURRENT_TIMESTAMP",
                    "ts > LOCALTIMESTAMP - INTERVAL 1 SECOND", "now() - ts < INTERVAL '1' DAY",
                    "now() - tz <= INTERVAL '1' HOUR", "INTERVAL '1' DAY > now() - ts",
                    "tz - now() > INTERVAL '1' HOUR", "now() - INTERVAL '1' DAY - ts >= INTERVAL '1' SECOND",
                    "ts BETWEEN now() - INTERVAL '7' DAY AND now()", "ts + INTERVAL '1' MONTH > now()",
                    "ts > now() - INTERVAL '1' DAY AND ts < now() + INTERVAL '1' DAY"));

TEST_F(ClockConditions, AreNoneForOtherConditions) {
  for (const char* sql :
       {"ts > TIMESTAMP '2024-01-01'", "ts > now() OR d IS NULL", "ts <> now()", "now() > now()",
        "now() - ts < tz - ts", "ts > date_trunc('week', now())", "ts > date_trunc('day', now() - INTERVAL 1 HOUR)",
        "ts IS DISTINCT FROM now()", "CASE WHEN d IS NULL THEN ts > now() END"}) {
    auto found = clock_bounds(bind(sql));
    ASSERT_TRUE(found.ok()) << sql << ": " << found.error().text();
    EXPECT_TRUE(found->empty()) << sql;
  }
}

TEST_F(ClockConditions, CannotBeMovedByMonths) {
  for (const char* sql : {"ts > now() - INTERVAL '1' MONTH", "now() - ts < INTERVAL '1' YEAR"}) {
    auto found = clock_bounds(bind(sql));
    ASSERT_FALSE(found.ok()) << sql;
    EXPECT_EQ(found.error().code, Code::unsupported_sql);
  }
}

}  // namespace
}  // namespace headrace
