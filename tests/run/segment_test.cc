#include "run/segment.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "run/segment_merger.h"
#include "state/block_image.h"

namespace headrace {
namespace {

/// An image with rows of eight bytes: each is its text, filled up.
std::string image(bool whole, const std::vector<std::pair<uint32_t, std::string>>& rows,
                  const std::vector<uint32_t>& gone = {}) {
  ImageHeader header;
  header.width = 8;
  header.whole = whole;
  auto set = [](RowBits& bits, uint32_t row) { bits[row / 64] |= uint64_t{1} << row % 64; };
  for (const auto& [row, text] : rows) {
    set(header.used, row);
    set(header.changed, row);
  }
  for (uint32_t row : gone) set(header.changed, row);
  std::string out = image_start(header);
  for (const auto& [row, text] : rows) out += text + std::string(8 - text.size(), ' ');
  return out;
}

class SegmentTest : public ::testing::Test {
 protected:
  SegmentTest() : folder_(std::filesystem::temp_directory_path() / ("headrace-segment-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_ / "segments");
  }
  ~SegmentTest() override { std::filesystem::remove_all(folder_); }
  std::string segments() const { return (folder_ / "segments").string(); }
  int64_t write(const std::string& name, const std::vector<StateBlock>& blocks) const {
    return write_segment(segments() + "/" + name, blocks).value();
  }
  std::filesystem::path folder_;
};

TEST_F(SegmentTest, MergingSaysWhatItsPartsSay) {
  write("1", {{{0, 0, 0, 0}, image(true, {{1, "a"}, {5, "b"}})}, {{0, 0, 0, 1}, image(true, {{2, "c"}})}});
  write("2", {{{0, 0, 0, 0}, image(false, {{5, "B"}}, {1})}});
  write("3", {{{0, 0, 0, 1}, image(true, {})}, {{4, 1, 1, 0}, image(true, {{9, "d"}})}});
  ASSERT_TRUE(merge_segments(segments(), {"1", "2", "3"}, segments() + "/merged"));
  Result<Segments> merged = Segments::open(segments(), {"merged"});
  ASSERT_TRUE(merged);
  ASSERT_EQ(merged->blocks().size(), 3u);
  const auto rows = [&](size_t block) {
    const BlockImage read = fold(merged->blocks()[block].checked().value()).value();
    EXPECT_TRUE(read.header.whole);
    std::string out;
    for (const SavedRow& row : read.rows) out += row.bytes.substr(0, 1);
    return out;
  };
  EXPECT_EQ(rows(0), "B");
  EXPECT_EQ(rows(1), "");
  EXPECT_EQ(rows(2), "d");
  EXPECT_EQ(merged->blocks()[2].place, (BlockPlace{4, 1, 1, 0}));
}

TEST_F(SegmentTest, DamageIsSeen) {
  write("1", {{{0, 0, 0, 0}, image(true, {{1, "a"}})}});
  std::fstream file(segments() + "/1", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-3, std::ios::end);
  file.put('x');
  file.close();
  Result<Segments> read = Segments::open(segments(), {"1"});
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->blocks()[0].checked());
  std::filesystem::resize_file(segments() + "/1", 40);
  EXPECT_FALSE(Segments::open(segments(), {"1"}));
}

TEST_F(SegmentTest, MergesBesideTheWriter) {
  SegmentMerger merger(folder_.string());
  std::vector<SegmentName> names;
  for (int i = 1; i <= 40; ++i) {
    const std::string name = std::to_string(100 + i) + ".seg";
    names.push_back({name, write(name, {{{0, 0, 0, 0}, image(i == 1, {{3, std::to_string(i)}})}})});
    ASSERT_TRUE(merger.take_turn(names));
  }
  while (names.size() >= 8) ASSERT_TRUE(merger.take_turn(names));  // Until what is under way is done.
  std::vector<std::string> left;
  for (const SegmentName& name : names) left.push_back(name.name);
  const Segments all = Segments::open(segments(), left).value();
  const BlockImage last = fold(all.blocks()[0].checked().value()).value();
  EXPECT_EQ(last.rows[3].bytes, "40      ");
  EXPECT_GT(merger.merged_bytes(), 0);
}

TEST(SegmentsToMerge, WritesNoByteOftenAndKeepsLittleThatIsOld) {
  std::vector<int64_t> sizes;
  int64_t written = 0, merged = 0;
  for (int i = 0; i < 5000; ++i) {
    sizes.push_back(100);
    written += 100;
    if (const auto range = segments_to_merge(sizes)) {
      int64_t sum = 0;
      for (size_t at = range->first; at < range->second; ++at) sum += sizes[at];
      sizes.resize(range->first);
      sizes.push_back(sum);
      merged += sum;
    }
    ASSERT_LT(sizes.size(), 24u);
  }
  EXPECT_LT(merged, written * 13);  // log2 of the number of segments.
}

}  // namespace
}  // namespace headrace
