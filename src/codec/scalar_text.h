// Text to values: numbers, times and identifiers as JSON and CSV write them. The one place that reads a number or a
// timestamp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "duck/chunk.h"

namespace headrace {

enum class Parse : uint8_t {
  ok,
  wrong_type,    ///< Not of this type at all.
  out_of_range,  ///< A value of the right kind that the type cannot hold.
};

/// How a column's text is read, decided once per column.
enum class ScalarKind : uint8_t {
  int8,
  int16,
  int32,
  int64,
  uint8,
  uint16,
  uint32,
  uint64,
  int128,
  float32,
  float64,
  decimal16,
  decimal32,
  decimal64,
  decimal128,
  boolean,
  text,
  date,
  time,
  timestamp,
  timestamp_tz,
  blob,
  uuid,
  other,  ///< By DuckDB's cast.
};

struct ScalarType {
  ScalarKind kind = ScalarKind::text;
  uint8_t width = 0;  ///< DECIMAL
  uint8_t scale = 0;
};

/// The way to read a type that is neither LIST, STRUCT nor MAP.
ScalarType scalar_type(const LogicalType& type);

/// Writes `text` as a value of `type` into row `row` of the flat vector `column`.
Parse store_text(const ScalarType& type, std::string_view text, Vector& column, int64_t row);

Parse parse_int64(std::string_view text, int64_t& out);
/// Reads "1", "-1.50", "2e3" exactly, rounded half away from zero to `scale` digits; at most `width` digits.
Parse parse_decimal(std::string_view text, int width, int scale, __int128& out);
/// Reads a float or a double, rounded to the nearest; "NaN" and "Infinity" too.
template <class T>
Parse parse_float(std::string_view text, T& out);
/// Reads ISO 8601, date and time parted by 'T' or a space; digits beyond microseconds are cut toward minus infinity;
/// "Z" and
/// "+05:30" are brought to UTC.
Parse parse_timestamp_us(std::string_view text, int64_t& out);
Parse parse_date_days(std::string_view text, int32_t& out);
Parse parse_time_us(std::string_view text, int64_t& out);
/// Decodes base64 (standard alphabet, padding optional).
bool decode_base64(std::string_view text, std::string& out);
void append_base64(std::string& out, std::string_view bytes);

}  // namespace headrace
