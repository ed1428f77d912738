// Where records end. The sources cut their morsels with it, the decoders walk with it.
#pragma once

#include <cstddef>
#include <cstdint>
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

}  // namespace headrace
