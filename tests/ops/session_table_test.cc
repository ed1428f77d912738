// SessionTable against sessions computed from all rows that were not late.
#include "ops/session_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "duck/rows.h"

namespace headrace {
namespace {

using Told = std::set<std::tuple<int32_t, int64_t, int64_t>>;  // Key, start, end.
constexpr int64_t gap_ms = 100;

/// What a batch makes of the rows: key and times.
Told sessions_of(std::map<int32_t, std::vector<int64_t>> rows) {
  Told out;
  for (auto& [key, times] : rows) {
    std::sort(times.begin(), times.end());
    for (size_t begin = 0, i = 1; i <= times.size(); ++i) {
      if (i < times.size() && times[i] - times[i - 1] <= gap_ms) continue;
      out.insert({key, times[begin], times[i - 1] + gap_ms});
      begin = i;
    }
  }
  return out;
}

Slot head_of(SessionTable& sessions, int32_t key) {
  DataChunk keys;
  keys.Initialize(duckdb::Allocator::DefaultAllocator(), {LogicalType::INTEGER});
  keys.SetValue(0, 0, duckdb::Value::INTEGER(key));
  keys.SetCardinality(1);
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  hash_rows(keys, hashes);
  Slot head;
  sessions.find_heads(keys, hashes, 1, &head);
  return head;
}

void close(SessionTable& sessions, int64_t watermark, Told& told) {
  for (Slot slot : sessions.close(watermark)) {
    Vector key(LogicalType::INTEGER);
    sessions.table().gather(0, &slot, 1, key);
    const bool fresh =
        told.insert({key.GetValue(0).GetValue<int32_t>(), sessions.at(slot).start, sessions.at(slot).end}).second;
    EXPECT_TRUE(fresh);
  }
  sessions.forget(watermark);
}

/// Rows of a few keys, up to `disorder_ms` out of order, under a watermark that waits less than that: some are late.
class SessionTableProperty : public testing::TestWithParam<int> {};

TEST_P(SessionTableProperty, TellsTheSessionsOfAllRowsThatWereNotLate) {
  std::mt19937 random(static_cast<uint32_t>(GetParam()));
  auto below = [&](int64_t n) { return static_cast<int64_t>(random() % static_cast<uint64_t>(n)); };
  const int64_t disorder_ms = 1 + below(400), delay_ms = below(disorder_ms + 50), step_ms = 1 + below(60);
  SessionTable sessions({LogicalType::INTEGER}, {}, gap_ms, 0);
  std::map<int32_t, std::vector<int64_t>> kept;
  Told told;
  int64_t watermark = INT64_MIN, closed = INT64_MIN;
  for (int64_t i = 0; i < 2000; ++i) {
    const int32_t key = static_cast<int32_t>(below(4));
    const int64_t time = i * step_ms - below(disorder_ms);
    const Slot head = head_of(sessions, key);
    const SessionTable::Place place = sessions.place(head, time, watermark);
    if (place.absorbed != missing_slot) sessions.drop(place.absorbed);
    if (place.session != missing_slot) kept[key].push_back(time);
    sessions.forget_unused(head);
    watermark = std::max(watermark, time - delay_ms);
    if (below(20) > 0) continue;
    if (watermark > closed) close(sessions, closed = watermark, told);
    if (below(10) == 0) sessions.restored();
  }
  close(sessions, INT64_MAX, told);
  EXPECT_EQ(told, sessions_of(kept));
  EXPECT_EQ(sessions.table().rows(), 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SessionTableProperty, testing::Range(1, 61));

TEST(SessionTable, ASessionThatLosesARowFallsApart) {
  SessionTable sessions({LogicalType::INTEGER}, {}, gap_ms, 0);
  const Slot head = head_of(sessions, 1);
  for (int64_t time : {0, 80, 160, 400}) sessions.place(head, time, INT64_MIN);
  const Slot session = sessions.find_open(head, 80, INT64_MIN);
  EXPECT_EQ(sessions.at(session).end, 260);
  sessions.refit(session, {0, 160});
  Told told;
  close(sessions, 99, told);
  EXPECT_EQ(told, (Told{{1, 0, 100}}));
  close(sessions, INT64_MAX, told);
  EXPECT_EQ(told, (Told{{1, 0, 100}, {1, 160, 260}, {1, 400, 500}}));
}

}  // namespace
}  // namespace headrace
