#include "plan/sql_text.h"

#include <algorithm>

namespace headrace {

Location SqlText::locate(size_t byte) const {
  auto behind =
      std::upper_bound(places.begin(), places.end(), byte, [](size_t b, const Place& place) { return b < place.byte; });
  if (behind == places.begin()) return at;
  const Place& place = *std::prev(behind);
  Location out{at.file, place.line, place.column};
  if (!place.verbatim) return out;
  for (size_t i = place.byte; i < std::min(byte, text.size()); ++i) {
    bool continuation = (static_cast<unsigned char>(text[i]) & 0xC0) == 0x80;
    if (text[i] == '\n') {
      ++out.line;
      out.column = 1;
    } else if (!continuation) {
      ++out.column;
    }
  }
  return out;
}

}  // namespace headrace
