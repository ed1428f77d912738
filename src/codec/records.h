// Where records end. The sources cut their morsels with it, the decoders walk with it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace headrace {

/// How a format parts its records: a line each, or csv, where a quoted field may hold line ends.
struct Framing {
  bool csv = false;
  char delimiter = ',';
};

/// The end (behind the line end) of the last whole record in `bytes`, which begin at a record's start; 0 = there is
/// none.
size_t end_of_last_record(Framing framing, std::string_view bytes);
/// The end (behind the line end) of the first record, or npos when it has no end yet.
size_t end_of_first_record(Framing framing, std::string_view bytes);
/// Line ends in `bytes`.
int64_t count_lines(std::string_view bytes);

inline constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";

/// The line without the white space around it.
std::string_view trimmed(std::string_view line);

/// Calls visit(line, number) for each line of `bytes` that is not blank, trimmed. `first` is the number of the first
/// line in its file.
template <class Visit>
void for_each_line(std::string_view bytes, int64_t first, const Visit& visit) {
  // Only where a file begins: anywhere else it is part of a record, however the file is cut.
  if (first <= 1 && bytes.starts_with(byte_order_mark)) bytes.remove_prefix(byte_order_mark.size());
  for (int64_t number = first; !bytes.empty(); ++number) {
    const void* found = std::memchr(bytes.data(), '\n', bytes.size());
    const size_t length = found ? static_cast<size_t>(static_cast<const char*>(found) - bytes.data()) : bytes.size();
    const std::string_view line = trimmed(bytes.substr(0, length));
    bytes.remove_prefix(std::min(length + 1, bytes.size()));
    if (!line.empty()) visit(line, number);
  }
}

}  // namespace headrace
