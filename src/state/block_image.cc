#include "state/block_image.h"

#include <cstring>

namespace headrace {
namespace {

constexpr uint32_t inline_text_bytes = 12, text_bytes_in_row = 16;

Error corrupt(const char* what) {
  return {Code::corrupt_state, Blame::environment, Retry::never, std::string("a saved block ") + what};
}

template <class T>
void put(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

/// Takes `value` from the front of `bytes`.
template <class T>
bool take(std::string_view& bytes, T& value) {
  if (bytes.size() < sizeof(value)) return false;
  std::memcpy(&value, bytes.data(), sizeof(value));
  bytes.remove_prefix(sizeof(value));
  return true;
}

bool take_header(std::string_view& bytes, ImageHeader& out) {
  uint32_t changes = 0, texts = 0;
  if (!take(bytes, out.width) || !take(bytes, changes) || !take(bytes, texts)) return false;
  // Also a bound of what reading takes: every row has a place for each of its texts.
  if (changes > 1 || texts > out.width / text_bytes_in_row || texts > bytes.size() / sizeof(uint32_t)) return false;
  out.whole = changes == 0;
  out.text_offsets.resize(texts);
  for (uint32_t& offset : out.text_offsets)
    if (!take(bytes, offset) || offset > out.width - text_bytes_in_row) return false;
  return take(bytes, out.used) && (out.whole || take(bytes, out.changed));
}

uint64_t long_text_bytes(std::string_view row, const std::vector<uint32_t>& offsets) {
  uint64_t out = 0;
  for (uint32_t offset : offsets) {
    uint32_t length = 0;
    std::memcpy(&length, row.data() + offset, sizeof(length));
    if (length > inline_text_bytes) out += length;
  }
  return out;
}

bool has_its_rows(const BlockImage& image) {
  const ImageHeader& header = image.header;
  for (uint32_t slot = 0; slot < rows_per_block; ++slot)
    if (image.rows[slot].bytes.empty() == header.has_row(slot)) return false;
  return true;
}

}  // namespace

std::string image_start(const ImageHeader& header) {
  std::string out;
  put(out, header.width);
  put(out, uint32_t{!header.whole});
  put(out, static_cast<uint32_t>(header.text_offsets.size()));
  for (uint32_t offset : header.text_offsets) put(out, offset);
  put(out, header.used);
  if (!header.whole) put(out, header.changed);
  return out;
}

size_t used_rows(std::string_view image) {
  ImageHeader header;
  return take_header(image, header) ? count_bits(header.used) : 0;
}

Result<BlockImage> BlockImage::read(std::string_view bytes) {
  BlockImage out;
  if (!take_header(bytes, out.header)) return corrupt("has no sound head");
  const ImageHeader& header = out.header;
  for (uint32_t slot = 0; slot < rows_per_block; ++slot) {
    if (!header.has_row(slot)) continue;
    if (bytes.size() < header.width) return corrupt("is cut short");
    out.rows[slot].bytes = bytes.substr(0, header.width);
    bytes.remove_prefix(header.width);
  }
  for (SavedRow& row : out.rows) {
    if (row.bytes.empty()) continue;
    const uint64_t length = long_text_bytes(row.bytes, header.text_offsets);
    if (length > bytes.size()) return corrupt("is cut short in its texts");
    row.texts = bytes.substr(0, length);
    bytes.remove_prefix(length);
  }
  if (!bytes.empty()) return corrupt("is longer than its rows");
  return out;
}

void BlockImage::apply(BlockImage&& later) {
  if (later.header.whole) {
    *this = std::move(later);
    return;
  }
  for (uint32_t slot = 0; slot < rows_per_block; ++slot)
    if (has_bit(later.header.changed, slot)) rows[slot] = std::move(later.rows[slot]);
  header.used = later.header.used;
  for (size_t i = 0; i < header.changed.size(); ++i) header.changed[i] |= later.header.changed[i];
}

std::string BlockImage::write() const {
  std::string out = image_start(header);
  for (const SavedRow& row : rows) out += row.bytes;
  for (const SavedRow& row : rows) out += row.texts;
  return out;
}

Result<BlockImage> fold(const std::vector<std::string_view>& images) {
  BlockImage out;
  for (size_t i = 0; i < images.size(); ++i) {
    HEADRACE_ASSIGN(BlockImage image, BlockImage::read(images[i]));
    if (i > 0 && (image.header.width != out.header.width || image.header.text_offsets != out.header.text_offsets))
      return corrupt("has rows of another form than its earlier image");
    if (i == 0)
      out = std::move(image);
    else
      out.apply(std::move(image));
  }
  return has_its_rows(out) ? Result<BlockImage>(std::move(out)) : corrupt("has not the rows that it says");
}

}  // namespace headrace
