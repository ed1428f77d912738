// Rows by key: order of arrival, taking away, and the same after a restore on other shards.
#include "state/keyed_rows.h"

#include <gtest/gtest.h>

#include "duck/rows.h"

namespace headrace {
namespace {

using duckdb::Value;

KeyedRows::Spec numbers_and_names() {
  return {"kept", {LogicalType::BIGINT, LogicalType::VARCHAR}, {0}, 8, 8};
}

struct Fed {
  DataChunk rows, keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
};

void fill(Fed& fed, const std::vector<std::pair<int64_t, std::string>>& rows) {
  fed.rows.Initialize(duckdb::Allocator::DefaultAllocator(), {LogicalType::BIGINT, LogicalType::VARCHAR});
  for (size_t i = 0; i < rows.size(); ++i) {
    fed.rows.SetValue(0, i, Value::BIGINT(rows[i].first));
    fed.rows.SetValue(1, i, Value(rows[i].second));
  }
  fed.rows.SetCardinality(rows.size());
  fed.keys.InitializeEmpty({LogicalType::BIGINT});
  fed.keys.data[0].Reference(fed.rows.data[0]);
  fed.keys.SetCardinality(rows.size());
  hash_rows(fed.keys, fed.hashes);
}

std::vector<std::string> names_of(const KeyedRows& kept, int64_t key) {
  Fed probe;
  fill(probe, {{key, ""}});
  Slot group;
  kept.find(probe.keys, probe.hashes, 1, &group);
  std::vector<std::string> out;
  if (group == missing_slot) return out;
  for (Slot row = kept.first(group); row != missing_slot; row = kept.next(row)) {
    Vector name(LogicalType::VARCHAR);
    kept.gather(1, &row, 1, name);
    out.push_back(name.GetValue(0).ToString());
  }
  return out;
}

void add(KeyedRows& kept, const std::vector<std::pair<int64_t, std::string>>& rows) {
  Fed fed;
  fill(fed, rows);
  Slot groups[STANDARD_VECTOR_SIZE], slots[STANDARD_VECTOR_SIZE];
  kept.add(fed.rows, fed.keys, fed.hashes, rows.size(), groups, slots);
}

using Names = std::vector<std::string>;

TEST(KeyedRows, KeepsTheOrderOfArrivalInEachGroup) {
  KeyedRows kept(numbers_and_names());
  add(kept, {{1, "a"}, {2, "b"}, {1, "a name that is longer than what is kept in place"}});
  add(kept, {{1, "d"}});
  EXPECT_EQ(names_of(kept, 1), (Names{"a", "a name that is longer than what is kept in place", "d"}));
  EXPECT_EQ(names_of(kept, 2), (Names{"b"}));
  EXPECT_EQ(names_of(kept, 3), Names{});
}

TEST(KeyedRows, TakesTheOldestEqualRowAway) {
  KeyedRows kept(numbers_and_names());
  add(kept, {{1, "a"}, {1, "b"}, {1, "a"}, {1, "c"}});
  Fed gone;
  fill(gone, {{1, "a"}, {1, "x"}});
  ChunkRows rows(gone.rows, 2);
  Slot groups[2];
  kept.find(gone.keys, gone.hashes, 2, groups);
  kept.erase(kept.find_equal(groups[0], rows, 0));
  EXPECT_EQ(kept.find_equal(groups[1], rows, 1), missing_slot);
  EXPECT_EQ(names_of(kept, 1), (Names{"b", "a", "c"}));
}

TEST(KeyedRows, IsTheSameAfterARestoreOnOtherShards) {
  KeyedRows kept(numbers_and_names());
  std::vector<std::pair<int64_t, std::string>> rows;
  for (int64_t i = 0; i < 2000; ++i) rows.push_back({i % 37, "row " + std::to_string(i)});
  add(kept, rows);
  Fed gone;
  fill(gone, {{5, "row 5"}});
  Slot group;
  kept.find(gone.keys, gone.hashes, 1, &group);
  kept.erase(kept.first(group));
  std::vector<std::unique_ptr<KeyedRows>> shards;
  for (uint32_t shard = 0; shard < 3; ++shard) {
    shards.push_back(std::make_unique<KeyedRows>(numbers_and_names()));
    for (size_t table = 0; table < 2; ++table)
      for (const auto& block : kept.tables()[table]->save(true))
        ASSERT_TRUE(shards[shard]->tables()[table]->load_share({block.bytes}, shard, 3));
    shards[shard]->restored();
  }
  for (int64_t key = 0; key < 37; ++key) {
    Names found;
    for (auto& shard : shards)
      for (const std::string& name : names_of(*shard, key)) found.push_back(name);
    EXPECT_EQ(found, names_of(kept, key)) << key;
  }
}

TEST(KeyedRows, KeepsItsChainsWhereRowsKeptTheirSlots) {
  KeyedRows kept(numbers_and_names()), again(numbers_and_names());
  add(kept, {{1, "a"}, {2, "a name that is longer than what is kept in place"}, {1, "c"}, {2, "d"}});
  Fed gone;
  fill(gone, {{1, "a"}});
  Slot group;
  kept.find(gone.keys, gone.hashes, 1, &group);
  kept.erase(kept.first(group));
  for (size_t table = 0; table < 2; ++table)
    for (const auto& block : kept.tables()[table]->save(true))
      ASSERT_TRUE(again.tables()[table]->load(block.block, {block.bytes}));
  again.restored();
  for (Table* table : again.tables()) EXPECT_TRUE(table->save(false).empty()) << table->spec().name;
  add(again, {{1, "e"}});
  EXPECT_EQ(names_of(again, 1), (Names{"c", "e"}));
  EXPECT_EQ(names_of(again, 2), names_of(kept, 2));
}

}  // namespace
}  // namespace headrace
