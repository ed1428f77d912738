#include "log/segment.h"

#include <fmt/format.h>

#include <cstring>
#include <filesystem>

#include "log/crc32c.h"

namespace headrace {
namespace {

constexpr std::string_view magic = "HRLOG001";
constexpr uint64_t bytes_between_marks = 64 << 10;

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);  // Little-endian, as every machine we run on.
}

template <class T>
T get(std::string_view bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::string header_text(uint64_t salt, int64_t first) {
  std::string out(magic);
  put(out, salt);
  put(out, first);
  put(out, crc32c(0, out));
  return out;
}

uint32_t crc_of(uint64_t salt, std::string_view after_crc) {
  uint32_t crc = crc32c(0, std::string_view(reinterpret_cast<const char*>(&salt), sizeof salt));
  return crc32c(crc, after_crc);
}

Error corrupt(const std::string& path, uint64_t offset, std::string_view what) {
  return Error{
      Code::corrupt_state,
      Blame::environment,
      Retry::never,
      fmt::format("the log segment {} is damaged at byte {}: {}", path, offset, what),
      "restore the state directory from a copy, or move the segment and all later ones away and lose their records",
      {}};
}

/// The first whole record after `offset` that proves record `number` had been durable, if there is one.
bool was_durable(std::string_view text, uint64_t salt, uint64_t offset, int64_t number) {
  for (uint64_t at = offset + 1; at + record_header_bytes <= text.size(); ++at) {
    RecordHeader header = read_record_header(text.substr(at));
    if (header.number <= number || header.durable <= number || header.durable > header.number) continue;
    if (header.length > text.size() - at - record_header_bytes) continue;
    if (record_is_whole(salt, header, text.substr(at, record_header_bytes + header.length))) return true;
  }
  return false;
}

/// Cuts what a crash left of a segment's creation: no record can have been acknowledged in it.
Result<Segment> restart_segment(const std::string& path, int64_t first) {
  HEADRACE_TRY(remove_file(path));
  return create_segment(std::filesystem::path(path).parent_path().string(), first);
}

}  // namespace

void Segment::mark(int64_t number, uint64_t offset) {
  if (marks.empty() || offset - marks.back().offset >= bytes_between_marks) marks.push_back({number, offset});
}

std::string segment_path(const std::string& directory, int64_t first) {
  return fmt::format("{}/{:020}.log", directory, first);
}

Result<Segment> create_segment(const std::string& directory, int64_t first) {
  HEADRACE_ASSIGN(File random, File::open("/dev/urandom", File::Mode::read));
  HEADRACE_ASSIGN(std::string salt_bytes, random.read_at(0, sizeof(uint64_t)));
  uint64_t salt = get<uint64_t>(salt_bytes, 0);
  Segment out{.path = segment_path(directory, first),
              .salt = salt,
              .first = first,
              .end = first,
              .bytes = segment_header_bytes,
              .marks = {}};
  HEADRACE_ASSIGN(File file, File::open(out.path, File::Mode::truncate));
  HEADRACE_TRY(file.write(header_text(salt, first)));
  HEADRACE_TRY(file.sync());
  HEADRACE_TRY(sync_directory(directory));
  return out;
}

void append_record(std::string& out, uint64_t salt, int64_t number, int64_t durable, std::string_view bytes) {
  size_t start = out.size();
  put(out, uint32_t{0});
  put(out, static_cast<uint32_t>(bytes.size()));
  put(out, number);
  put(out, durable);
  out.append(bytes);
  uint32_t crc = crc_of(salt, std::string_view(out).substr(start + sizeof(uint32_t)));
  std::memcpy(out.data() + start, &crc, sizeof crc);
}

RecordHeader read_record_header(std::string_view bytes) {
  return {get<uint32_t>(bytes, 0), get<uint32_t>(bytes, 4), get<int64_t>(bytes, 8), get<int64_t>(bytes, 16)};
}

bool record_is_whole(uint64_t salt, const RecordHeader& header, std::string_view bytes) {
  return header.crc == crc_of(salt, bytes.substr(sizeof(uint32_t)));
}

Result<Segment> recover_segment(const std::string& path, int64_t first, bool last) {
  HEADRACE_ASSIGN(std::string text, read_file(path));
  if (text.size() < segment_header_bytes) {
    if (!last) return corrupt(path, 0, "its header is cut off");
    return restart_segment(path, first);
  }
  Segment out{.path = path,
              .salt = get<uint64_t>(text, 8),
              .first = first,
              .end = first,
              .bytes = segment_header_bytes,
              .marks = {}};
  if (text.substr(0, segment_header_bytes) != header_text(out.salt, first)) {
    // The header is made durable before the first record is written: a bad one with records behind it is rot.
    if (!last || text.size() > segment_header_bytes) return corrupt(path, 0, "its header is not as it was written");
    return restart_segment(path, first);
  }

  while (out.bytes < text.size()) {
    std::string_view rest = std::string_view(text).substr(out.bytes);
    bool whole = false;
    RecordHeader header;
    if (rest.size() >= record_header_bytes) {
      header = read_record_header(rest);
      whole = header.number == out.end && header.length <= rest.size() - record_header_bytes &&
              record_is_whole(out.salt, header, rest.substr(0, record_header_bytes + header.length));
    }
    if (!whole) {
      if (!last) return corrupt(path, out.bytes, fmt::format("record {} is not as it was written", out.end));
      if (was_durable(text, out.salt, out.bytes, out.end))
        return corrupt(path, out.bytes, fmt::format("record {} is not as it was written, and later ones are", out.end));
      HEADRACE_ASSIGN(File file, File::open(path, File::Mode::append));
      HEADRACE_TRY(file.truncate(out.bytes));
      HEADRACE_TRY(file.sync());
      return out;
    }
    out.mark(out.end, out.bytes);
    out.bytes += record_header_bytes + header.length;
    ++out.end;
  }
  return out;
}

}  // namespace headrace
