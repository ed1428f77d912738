// Segments: the files that hold the state's blocks. A segment is eight bytes "HRACSEG3", then for each block a head of
// six 4-byte words (node, table, shard, block, length, CRC-32C of the bytes) and its image (state/block_image.h). The
// images of a block, in order of the segments, say what it holds.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mapped_file.h"
#include "base/result.h"

namespace headrace {

/// Which block of which table: node of the plan, table of the node's operator, shard, block.
struct BlockPlace {
  uint32_t node = 0, table = 0, shard = 0, block = 0;

  auto operator<=>(const BlockPlace&) const = default;
};

/// A block's image, to be written.
struct StateBlock {
  BlockPlace place;
  std::string bytes;
};

/// A block as segments hold it. Refers to the segments' memory.
struct SavedImages {
  struct Image {
    std::string_view bytes;
    uint32_t crc = 0;
  };
  BlockPlace place;
  std::vector<Image> images;  ///< Oldest first.

  /// The images' bytes. Errors: corrupt_state (a checksum that does not match).
  Result<std::vector<std::string_view>> checked() const;
};

/// Segments that were opened together, oldest first.
class Segments {
 public:
  /// Errors: corrupt_state, io_error.
  static Result<Segments> open(const std::string& folder, const std::vector<std::string>& names);

  /// In order of their places.
  const std::vector<SavedImages>& blocks() const { return blocks_; }

 private:
  std::vector<MappedFile> files_;
  std::vector<SavedImages> blocks_;
};

/// Writes a segment and makes it durable; gives its size. Errors: io_error, disk_full.
Result<int64_t> write_segment(const std::string& path, const std::vector<StateBlock>& blocks);
/// Writes one segment that says what `names` say one after the other; gives its size. Errors: as above, corrupt_state.
Result<int64_t> merge_segments(const std::string& folder, const std::vector<std::string>& names,
                               const std::string& path);

/// Which neighbours to merge, from the sizes of all, oldest first: begin and end. At least eight, of which the oldest
/// is no larger than the others together: so no byte is written again more often than the logarithm of the state's
/// size, and old images take no more room than the state.
std::optional<std::pair<size_t, size_t>> segments_to_merge(const std::vector<int64_t>& sizes);

}  // namespace headrace
