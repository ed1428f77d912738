#include "run/segment.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>

#include "base/file.h"
#include "log/crc32c.h"
#include "state/block_image.h"

namespace headrace {
namespace {

constexpr uint64_t segment_magic = 0x33474553'43415248;  // "HRACSEG3"
constexpr size_t write_bytes = 4 << 20;
constexpr size_t merged_min = 8;

struct BlockHead {
  BlockPlace place;
  uint32_t bytes = 0, crc = 0;
};

Error corrupt(const std::string& what) {
  return {Code::corrupt_state, Blame::environment, Retry::never, what,
          "restore the state directory from a copy, or start with a new one"};
}

/// Collects blocks and writes them in large pieces.
class SegmentWriter {
 public:
  explicit SegmentWriter(File file)
      : file_(std::move(file)), bytes_(reinterpret_cast<const char*>(&segment_magic), sizeof(segment_magic)) {}

  Result<> add(const BlockPlace& place, std::string_view image) {
    const BlockHead head{place, static_cast<uint32_t>(image.size()), crc32c(0, image)};
    bytes_.append(reinterpret_cast<const char*>(&head), sizeof(head));
    bytes_ += image;
    return bytes_.size() < write_bytes ? Result<>() : flush();
  }

  Result<int64_t> finish() {
    HEADRACE_TRY(flush());
    crash_point("checkpoint_segment_written");
    HEADRACE_TRY(file_.sync());
    return size_;
  }

 private:
  Result<> flush() {
    size_ += static_cast<int64_t>(bytes_.size());
    HEADRACE_TRY(file_.write(bytes_));
    bytes_.clear();
    return {};
  }

  File file_;
  std::string bytes_;
  int64_t size_ = 0;
};

/// Notes the blocks of one segment.
Result<> list_blocks(const std::string& name, std::string_view bytes,
                     std::map<BlockPlace, std::vector<SavedImages::Image>>& out) {
  uint64_t magic = 0;
  if (bytes.size() >= sizeof(magic)) std::memcpy(&magic, bytes.data(), sizeof(magic));
  if (magic != segment_magic) return corrupt("segment " + name + " is not a segment of this version");
  bytes.remove_prefix(sizeof(magic));
  while (!bytes.empty()) {
    BlockHead head;
    if (bytes.size() < sizeof(head)) return corrupt("segment " + name + " is cut short");
    std::memcpy(&head, bytes.data(), sizeof(head));
    bytes.remove_prefix(sizeof(head));
    if (bytes.size() < head.bytes) return corrupt("segment " + name + " is cut short");
    out[head.place].push_back({bytes.substr(0, head.bytes), head.crc});
    bytes.remove_prefix(head.bytes);
  }
  return {};
}

}  // namespace

Result<std::vector<std::string_view>> SavedImages::checked() const {
  std::vector<std::string_view> out;
  for (const Image& image : images) {
    if (crc32c(0, image.bytes) != image.crc) return corrupt("a saved block does not match its checksum");
    out.push_back(image.bytes);
  }
  return out;
}

Result<Segments> Segments::open(const std::string& folder, const std::vector<std::string>& names) {
  Segments out;
  std::map<BlockPlace, std::vector<SavedImages::Image>> found;
  for (const std::string& name : names) {
    HEADRACE_ASSIGN(MappedFile file, MappedFile::open(folder + "/" + name));
    HEADRACE_TRY(list_blocks(name, file.bytes(), found));
    out.files_.push_back(std::move(file));
  }
  for (auto& [place, images] : found) out.blocks_.push_back({place, std::move(images)});
  return out;
}

Result<int64_t> write_segment(const std::string& path, const std::vector<StateBlock>& blocks) {
  HEADRACE_ASSIGN(File file, File::open(path, File::Mode::truncate));
  SegmentWriter writer(std::move(file));
  for (const StateBlock& block : blocks) HEADRACE_TRY(writer.add(block.place, block.bytes));
  return writer.finish();
}

Result<int64_t> merge_segments(const std::string& folder, const std::vector<std::string>& names,
                               const std::string& path) {
  HEADRACE_ASSIGN(const Segments segments, Segments::open(folder, names));
  HEADRACE_ASSIGN(File file, File::open(path, File::Mode::truncate));
  SegmentWriter writer(std::move(file));
  for (const SavedImages& block : segments.blocks()) {
    HEADRACE_ASSIGN(const std::vector<std::string_view> images, block.checked());
    if (images.size() == 1) {
      HEADRACE_TRY(writer.add(block.place, images[0]));
      continue;
    }
    HEADRACE_ASSIGN(const BlockImage folded, fold(images));
    HEADRACE_TRY(writer.add(block.place, folded.write()));
  }
  return writer.finish();
}

std::optional<std::pair<size_t, size_t>> segments_to_merge(const std::vector<int64_t>& sizes) {
  for (size_t begin = 0; begin + merged_min <= sizes.size(); ++begin)
    if (sizes[begin] <= std::accumulate(sizes.begin() + static_cast<ptrdiff_t>(begin) + 1, sizes.end(), int64_t{0}))
      return std::pair{begin, sizes.size()};
  return std::nullopt;
}

}  // namespace headrace
