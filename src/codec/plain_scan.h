// Scanning of plain text, sixteen bytes at a time: JSON strings without escapes, numbers, csv fields. JSON that is not
// plain is left to simdjson.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace headrace {

/// Bytes behind the text that a scan may read (and ignore).
inline constexpr size_t scan_padding = 16;

/// The closing quote of the string whose contents begin at `at`; nullptr when an escape, a control character or `end`
/// comes first.
inline const char* end_of_plain_string(const char* at, const char* end) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"'), escape = _mm_set1_epi8('\\'), control_max = _mm_set1_epi8(0x1f);
  for (; at < end; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, control_max), bytes);
    const __m128i found =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, escape)), control);
    if (const int mask = _mm_movemask_epi8(found)) {
      at += __builtin_ctz(static_cast<unsigned>(mask));
      return at < end && *at == '"' ? at : nullptr;
    }
  }
  return nullptr;
#else
  for (; at < end; ++at) {
    if (*at == '"') return at;
    if (*at == '\\' || static_cast<unsigned char>(*at) < 0x20) return nullptr;
  }
  return nullptr;
#endif
}

/// The first delimiter or line end (or, with `quotes`, quote or carriage return) from `at` on, or `end`. Reads no byte
/// behind `end`.
inline const char* end_of_csv_run(const char* at, const char* end, char delimiter, bool quotes) {
#if defined(__SSE2__)
  const __m128i comma = _mm_set1_epi8(delimiter), line = _mm_set1_epi8('\n');
  const __m128i quote = _mm_set1_epi8(quotes ? '"' : '\n'), back = _mm_set1_epi8(quotes ? '\r' : '\n');
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i found = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, comma), _mm_cmpeq_epi8(bytes, line)),
                                       _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, back)));
    if (const int mask = _mm_movemask_epi8(found)) return at + __builtin_ctz(static_cast<unsigned>(mask));
  }
#endif
  for (; at < end; ++at) {
    if (*at == delimiter || *at == '\n' || (quotes && (*at == '"' || *at == '\r'))) return at;
  }
  return end;
}

/// Reads "-123" of at most 18 digits without a leading zero and moves `at` behind it. False: it is written in another
/// way.
inline bool take_plain_integer(const char*& at, int64_t& out) {
  const bool negative = *at == '-';
  const char* const first = at + negative;
  const char* digit = first;
  int64_t value = 0;
  while (static_cast<unsigned char>(*digit - '0') < 10 && digit - first < 18) value = value * 10 + (*digit++ - '0');
  if (digit == first || (*first == '0' && digit - first > 1)) return false;
  if (*digit != ',' && *digit != '}' && *digit != ' ') return false;  // A nineteenth digit, a fraction, an exponent.
  out = negative ? -value : value;
  at = digit;
  return true;
}

/// The text up to the next ',', '}' or space.
inline std::string_view plain_token(const char* at, const char* end) {
  const char* behind = at;
  while (behind < end && *behind != ',' && *behind != '}' && *behind != ' ') ++behind;
  return {at, static_cast<size_t>(behind - at)};
}

}  // namespace headrace
