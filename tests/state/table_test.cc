// What a table's rows survive: checkpoints of changes, a move to the disk, readers that hold old blocks.
#include "state/table.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <random>

#include "duck/rows.h"

namespace headrace {
namespace {

using Rows = std::map<int64_t, std::string>;

TableSpec spec() {
  TableSpec out;
  out.name = "t";
  out.key = {LogicalType::BIGINT};
  out.values = {LogicalType::VARCHAR};
  return out;
}

std::string text_of(int64_t key, int round) {
  return key % 3 == 0 ? std::to_string(round) : "a text that does not fit into its row " + std::to_string(key * round);
}

struct Keys {
  explicit Keys(const std::vector<int64_t>& keys) {
    columns.Initialize(duckdb::Allocator::DefaultAllocator(), {LogicalType::BIGINT});
    for (size_t i = 0; i < keys.size(); ++i) columns.SetValue(0, i, duckdb::Value::BIGINT(keys[i]));
    columns.SetCardinality(keys.size());
    hash_rows(columns, hashes);
  }
  DataChunk columns;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
};

void put(Table& table, const std::vector<int64_t>& keys, int round) {
  for (size_t at = 0; at < keys.size(); at += rows_per_batch) {
    const std::vector<int64_t> part(keys.begin() + static_cast<long>(at),
                                    keys.begin() + static_cast<long>(std::min(keys.size(), at + rows_per_batch)));
    Keys columns(part);
    Slot slots[STANDARD_VECTOR_SIZE];
    uint8_t created[STANDARD_VECTOR_SIZE];
    table.find_or_create(columns.columns, columns.hashes, part.size(), slots, created);
    Vector texts(LogicalType::VARCHAR);
    for (size_t i = 0; i < part.size(); ++i) texts.SetValue(i, duckdb::Value(text_of(part[i], round)));
    table.set_value(0, slots, part.size(), texts);
  }
}

void erase(Table& table, int64_t key) {
  Keys columns({key});
  Slot slot;
  table.find(columns.columns, columns.hashes, 1, &slot);
  table.erase(slot);
}

Rows rows_of(const Table& table) {
  Rows out;
  for (Slot slot : table.slots()) {
    Vector key(LogicalType::BIGINT), text(LogicalType::VARCHAR);
    table.gather(0, &slot, 1, key);
    table.gather(1, &slot, 1, text);
    out[key.GetValue(0).GetValue<int64_t>()] = text.GetValue(0).ToString();
  }
  return out;
}

std::vector<int64_t> range(int64_t begin, int64_t end) {
  std::vector<int64_t> out;
  for (int64_t key = begin; key < end; ++key) out.push_back(key);
  return out;
}

using Saved = std::map<uint32_t, std::vector<std::string>>;

void save(Table& table, Saved& out) {
  for (Table::SavedBlock& block : table.save(false)) out[block.block].push_back(std::move(block.bytes));
}

Table restored(const Saved& saved) {
  Table out(spec());
  for (const auto& [block, images] : saved)
    EXPECT_TRUE(out.load(block, std::vector<std::string_view>(images.begin(), images.end())));
  return out;
}

class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("headrace-table-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST(Table, IsWhatItsSavedChangesSay) {
  Table table(spec());
  Saved saved;
  std::mt19937 random(1);
  put(table, range(0, 5000), 1);
  save(table, saved);
  for (int round = 2; round < 30; ++round) {
    std::vector<int64_t> some;
    for (int i = 0; i < 40; ++i) some.push_back(static_cast<int64_t>(random() % 6000));
    put(table, some, round);
    for (int64_t key : {some[0], some[7]})
      if (rows_of(table).count(key)) erase(table, key);
    save(table, saved);
    if (round % 7 == 0) {
      ASSERT_EQ(rows_of(restored(saved)), rows_of(table)) << "round " << round;
    }
  }
}

TEST(Table, SavesLittleWhenLittleHasChanged) {
  Table table(spec());
  Saved first, second;
  put(table, range(0, 10'000), 1);
  save(table, first);
  put(table, {17, 5000}, 2);
  save(table, second);
  size_t bytes = 0;
  for (const auto& [block, images] : second) bytes += images[0].size();
  EXPECT_EQ(second.size(), 2u);
  EXPECT_LT(bytes, 1000u);
  Saved third;
  save(table, third);
  EXPECT_TRUE(third.empty());
}

TEST(Table, TakesNewRowsAfterARestoreWhereOldOnesWere) {
  Table table(spec());
  Saved saved;
  put(table, range(0, 3000), 1);
  for (int64_t key = 100; key < 1500; ++key) erase(table, key);
  save(table, saved);
  Table back = restored(saved);
  put(back, range(3000, 5000), 2);
  put(table, range(3000, 5000), 2);
  EXPECT_EQ(rows_of(back), rows_of(table));
  EXPECT_EQ(back.rows(), table.rows());
}

TEST(Table, RefusesDamagedImages) {
  Table table(spec());
  put(table, range(0, 500), 1);
  const std::string bytes = table.save(true)[0].bytes;
  std::mt19937 random(5);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = bytes.substr(0, random() % bytes.size());
    if (!damaged.empty() && i % 2) damaged[random() % damaged.size()] ^= static_cast<char>(1 << random() % 8);
    Table into(spec());
    EXPECT_FALSE(into.load(0, {damaged})) << i;
  }
}

/// An image whose head is as given, with room behind it for what it says.
std::string image(uint32_t width, const std::vector<uint32_t>& text_offsets, Slot used, const std::string& rows) {
  ImageHeader header;
  header.width = width;
  header.text_offsets = text_offsets;
  header.used[used / 64] = uint64_t{1} << used % 64;
  return image_start(header) + rows;
}

TEST(Table, RefusesImagesThatOnlyLookSound) {
  const RowLayout layout(spec());
  const auto width = static_cast<uint32_t>(layout.width), text = static_cast<uint32_t>(layout.offsets[1]);
  const std::string row(width, '\0');
  ASSERT_TRUE(Table(spec()).load(0, {image(width, {text}, 5, row)}));
  // A text behind its row, at a place that wraps around; more texts than rows have room for; texts at other places.
  EXPECT_FALSE(Table(spec()).load(0, {image(width, {UINT32_MAX - 7}, 5, row)}));
  EXPECT_FALSE(BlockImage::read(image(width, std::vector<uint32_t>(1 << 20, text), 5, row)));
  EXPECT_FALSE(Table(spec()).load(0, {image(width, {text - 8}, 5, row)}));
  // A change that says that a row is used which neither has.
  ImageHeader change;
  change.width = width;
  change.whole = false;
  change.text_offsets = {text};
  change.used[0] = 1;
  EXPECT_FALSE(Table(spec()).load(0, {image(width, {text}, 5, row), image_start(change)}));
  // A block far beyond the last.
  EXPECT_FALSE(Table(spec()).load(UINT32_MAX, {image(width, {text}, 5, row)}));
}

TEST(Table, LivesOnTheDiskBeyondItsCap) {
  Folder folder;
  auto memory = std::make_shared<StateMemory>(1 << 20, folder.path());
  Table table(spec()), like(spec());
  table.live_in(memory);
  Saved saved;
  for (int round = 1; round < 6; ++round) {
    put(table, range(0, 20'000 * round), round);
    put(like, range(0, 20'000 * round), round);
    if (const int64_t excess = memory->excess(); excess > 0) table.spill(excess);
    EXPECT_LE(memory->used_bytes(), 2 << 20) << "round " << round;
    save(table, saved);
  }
  EXPECT_GT(memory->spilled_bytes(), 8 << 20);
  const Rows expected = rows_of(like);
  EXPECT_EQ(rows_of(table), expected);
  EXPECT_EQ(rows_of(restored(saved)), expected);
}

TEST(Table, LeavesAReadersRowsAsTheyWereWhenBlocksMove) {
  Folder folder;
  auto memory = std::make_shared<StateMemory>(0, folder.path());
  Table table(spec());
  table.live_in(memory);
  put(table, range(0, 2000), 1);
  const auto before = table.snapshot();
  table.spill(1 << 30);
  put(table, range(0, 2000), 2);
  table.spill(1 << 30);
  std::vector<const char*> addresses;
  before->addresses(1, addresses);
  Vector keys(LogicalType::BIGINT), texts(LogicalType::VARCHAR);
  gather_column(before->layout(), 0, addresses.data(), addresses.size(), keys);
  gather_column(before->layout(), 1, addresses.data(), addresses.size(), texts);
  for (size_t i = 0; i < addresses.size(); ++i)
    EXPECT_EQ(texts.GetValue(i).ToString(), text_of(keys.GetValue(i).GetValue<int64_t>(), 1));
}

TEST(StateMemory, StaysInMemoryWhereNoFileCanBeMade) {
  auto memory = std::make_shared<StateMemory>(0, "/no/such/folder");
  Table table(spec());
  table.live_in(memory);
  put(table, range(0, 3000), 1);
  EXPECT_EQ(table.spill(1 << 30), 0);
  EXPECT_EQ(rows_of(table).size(), 3000u);
}

}  // namespace
}  // namespace headrace
