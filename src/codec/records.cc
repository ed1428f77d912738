#include "codec/records.h"

#include <algorithm>
#include <cstring>

namespace headrace {
namespace {

constexpr size_t npos = std::string_view::npos;

/// A quote opens a field only where the field begins; inside, two quotes stand for one.
size_t end_of_csv_record(char delimiter, std::string_view bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    if (bytes[at] == '"') {
      for (++at;; at += 2) {
        at = bytes.find('"', at);
        if (at == npos) return npos;
        if (at + 1 >= bytes.size() || bytes[at + 1] != '"') break;
      }
      ++at;
    }
    while (at < bytes.size() && bytes[at] != delimiter && bytes[at] != '\n') ++at;
    if (at == bytes.size()) return npos;
    if (bytes[at++] == '\n') return at;
  }
  return npos;
}

}  // namespace

size_t end_of_first_record(Framing framing, std::string_view bytes) {
  if (framing.csv) return end_of_csv_record(framing.delimiter, bytes);
  const size_t end = bytes.find('\n');
  return end == npos ? npos : end + 1;
}

size_t end_of_last_record(Framing framing, std::string_view bytes) {
  if (!framing.csv || bytes.find('"') == npos) {
    const size_t last = bytes.rfind('\n');
    return last == npos ? 0 : last + 1;
  }
  size_t end = 0;
  for (size_t length; (length = end_of_csv_record(framing.delimiter, bytes.substr(end))) != npos;) end += length;
  return end;
}

int64_t count_lines(std::string_view bytes) { return std::count(bytes.begin(), bytes.end(), '\n'); }

}  // namespace headrace
