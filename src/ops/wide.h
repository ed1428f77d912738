// Sums of 128 bits, as DECIMAL(38) and HUGEINT hold them.
#pragma once

#include <cstdint>

#include "duck/chunk.h"
#include "plan/nodes.h"

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

/// True for a sum, or a mean, of values of `type` that its state may not hold. Sums of narrower decimals do not come to
/// that: there are not so many rows.
inline bool sum_may_overflow(AggregateKind kind, const LogicalType& type) {
  return kind == AggregateKind::sum_integer ||
         ((kind == AggregateKind::sum_decimal || kind == AggregateKind::average) &&
          type.InternalType() == duckdb::PhysicalType::INT128);
}

/// By what the whole number that a value is held as is divided: 10^s for DECIMAL(p, s).
inline double scale_of(const LogicalType& type) {
  double out = 1;
  if (type.id() != LogicalTypeId::DECIMAL) return out;
  for (uint8_t i = 0; i < duckdb::DecimalType::GetScale(type); ++i) out *= 10;
  return out;
}

}  // namespace headrace
