// Sums of 128 bits, as DECIMAL(38) and HUGEINT hold them.
#pragma once

#include <cstdint>

#include "duck/chunk.h"

namespace headrace {

__extension__ using Wide = __int128;

inline Wide wide(duckdb::hugeint_t value) {
  return (Wide{value.upper} << 64) | value.lower;
}

inline duckdb::hugeint_t narrow(Wide value) {
  duckdb::hugeint_t out;
  out.upper = static_cast<int64_t>(value >> 64);
  out.lower = static_cast<uint64_t>(value);
  return out;
}

/// 10^38, which no DECIMAL reaches.
inline constexpr Wide decimal_end = Wide{10'000'000'000'000'000'000ULL} * Wide{10'000'000'000'000'000'000ULL};

inline bool is_decimal(Wide value) {
  return value < decimal_end && value > -decimal_end;
}

inline double power_of_ten(uint8_t exponent) {
  double out = 1;
  while (exponent-- > 0) out *= 10;
  return out;
}

}  // namespace headrace
