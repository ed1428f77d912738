#include "codec/records.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

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

std::string_view trimmed(std::string_view line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  return line;
}

int64_t count_lines(std::string_view bytes) {
  int64_t lines = 0;
  size_t at = 0;
#if defined(__SSE2__)
  const __m128i line_end = _mm_set1_epi8('\n'), zero = _mm_setzero_si128();
  while (at + 16 <= bytes.size()) {
    __m128i counts = zero;  // One count per byte of the register, which holds 255 at most.
    for (int block = 0; block < 255 && at + 16 <= bytes.size(); ++block, at += 16) {
      counts = _mm_sub_epi8(
          counts, _mm_cmpeq_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes.data() + at)), line_end));
    }
    const __m128i sums = _mm_sad_epu8(counts, zero);
    lines += _mm_cvtsi128_si64(sums) + _mm_cvtsi128_si64(_mm_srli_si128(sums, 8));
  }
#endif
  for (; at < bytes.size(); ++at) lines += bytes[at] == '\n';
  return lines;
}

}  // namespace headrace
