// One file of the log: its name, its header, its records, and how a torn end is told from rot.
//
//   header  "HRLOG001" | salt u64 | first number u64 | crc u32
//   record  crc u32 | length u32 | number u64 | durable u64 | bytes
//
// `durable` is the end of what was durable when the record was written. A bad record n is a torn write (cut it) unless
// a later record says that n had been durable: then it is rot, and cutting would lose acknowledged records. The salt
// goes into every crc, so that a client who sends bytes that look like records cannot fake one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace headrace {

inline constexpr uint64_t segment_header_bytes = 28;
inline constexpr uint64_t record_header_bytes = 24;
inline constexpr uint64_t record_bytes_max = 1u << 30;

/// A place to begin reading; one for about every 64 KiB.
struct SegmentMark {
  int64_t number = 0;
  uint64_t offset = 0;
};

/// What is known of a segment while the log is open.
struct Segment {
  std::string path;
  uint64_t salt = 0;
  int64_t first = 0;   ///< Number of its first record.
  int64_t end = 0;     ///< One past its last durable record.
  uint64_t bytes = 0;  ///< Length of the file up to there.
  std::vector<SegmentMark> marks;

  /// Notes a record at `offset`, if the last mark is far enough away.
  void mark(int64_t number, uint64_t offset);
};

struct RecordHeader {
  uint32_t crc = 0;
  uint32_t length = 0;
  int64_t number = 0;
  int64_t durable = 0;
};

std::string segment_path(const std::string& directory, int64_t first);
/// Creates the file with its header (and a new salt) and makes both durable.
Result<Segment> create_segment(const std::string& directory, int64_t first);
/// Appends a record's header and bytes to `out`.
void append_record(std::string& out, uint64_t salt, int64_t number, int64_t durable, std::string_view bytes);
/// Reads the header at the front of `bytes` (at least record_header_bytes long); checks nothing.
RecordHeader read_record_header(std::string_view bytes);
/// True when `bytes` (header and payload) is the record that its crc says.
bool record_is_whole(uint64_t salt, const RecordHeader& header, std::string_view bytes);

/// Reads a segment that exists and cuts a torn end if it is the `last` one. Errors: corrupt_state, io_error.
Result<Segment> recover_segment(const std::string& path, int64_t first, bool last);

}  // namespace headrace
