#include "codec/scalar_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "duck/cast.h"
#include "duck/value_types.h"

namespace headrace {
namespace {

using duckdb::FlatVector;
using duckdb::hugeint_t;
using duckdb::string_t;
using duckdb::StringVector;

constexpr int64_t us_per_second = 1'000'000;
constexpr int64_t us_per_day = 86'400 * us_per_second;

bool is_digit(char c) {
  return static_cast<unsigned char>(c - '0') < 10;
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar (Howard Hinnant's days_from_civil).
int64_t days_of(int64_t year, int month, int day) {
  year -= month <= 2;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

int days_in_month(int64_t year, int month) {
  constexpr std::array<int, 12> days{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : days[month - 1];
}

/// Reads exactly `count` digits at `at`.
bool digits(std::string_view text, size_t at, int count, int& out) {
  if (at + count > text.size()) return false;
  int value = 0;
  for (int i = 0; i < count; ++i) {
    if (!is_digit(text[at + i])) return false;
    value = value * 10 + (text[at + i] - '0');
  }
  out = value;
  return true;
}

/// Reads "YYYY-MM-DD" at the beginning of `text`.
Parse take_date(std::string_view text, int64_t& days) {
  int year, month, day;
  if (!digits(text, 0, 4, year) || text.size() < 10 || text[4] != '-' || text[7] != '-' || !digits(text, 5, 2, month) ||
      !digits(text, 8, 2, day)) {
    return Parse::wrong_type;
  }
  if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) return Parse::out_of_range;
  days = days_of(year, month, day);
  return Parse::ok;
}

/// Reads "HH:MM[:SS[.fraction]]" at `at` and moves `at` behind it.
Parse take_time(std::string_view text, size_t& at, int64_t& us) {
  int hour, minute, second = 0;
  if (!digits(text, at, 2, hour) || at + 5 > text.size() || text[at + 2] != ':' || !digits(text, at + 3, 2, minute)) {
    return Parse::wrong_type;
  }
  at += 5;
  int64_t fraction_us = 0;
  if (at < text.size() && text[at] == ':') {
    if (!digits(text, at + 1, 2, second)) return Parse::wrong_type;
    at += 3;
    if (at < text.size() && (text[at] == '.' || text[at] == ',')) {
      const size_t begin = ++at;
      int64_t unit = 100'000;
      for (; at < text.size() && is_digit(text[at]); ++at, unit /= 10) fraction_us += unit * (text[at] - '0');
      if (at == begin || at - begin > 9) return Parse::wrong_type;
    }
  }
  if (hour > 23 || minute > 59 || second > 59) return Parse::out_of_range;
  us = ((hour * 60 + minute) * 60 + second) * us_per_second + fraction_us;
  return Parse::ok;
}

/// Reads "", "Z", "+05", "+0530" or "+05:30" at `at`, up to the end.
Parse take_zone(std::string_view text, size_t at, int64_t& offset_us) {
  offset_us = 0;
  if (at == text.size()) return Parse::ok;
  const char sign = text[at++];
  if (sign == 'Z' || sign == 'z') return at == text.size() ? Parse::ok : Parse::wrong_type;
  if (sign == ' ' && text.substr(at) == "UTC") return Parse::ok;
  if (sign != '+' && sign != '-') return Parse::wrong_type;
  int hour, minute = 0;
  if (!digits(text, at, 2, hour)) return Parse::wrong_type;
  at += 2;
  if (at < text.size()) {
    if (text[at] == ':') ++at;
    if (!digits(text, at, 2, minute)) return Parse::wrong_type;
    at += 2;
  }
  if (at != text.size()) return Parse::wrong_type;
  if (hour > 18 || minute > 59) return Parse::out_of_range;
  offset_us = (hour * 60 + minute) * 60 * us_per_second * (sign == '-' ? -1 : 1);
  return Parse::ok;
}

constexpr __int128 power_of_ten(int exponent) {
  __int128 power = 1;
  for (int i = 0; i < exponent; ++i) power *= 10;
  return power;
}
const std::array<__int128, 39> powers = [] {
  std::array<__int128, 39> table{};
  for (int i = 0; i < 39; ++i) table[i] = power_of_ten(i);
  return table;
}();

/// A number's text taken apart: sign, the range of its digits (with perhaps a '.' among them) and its exponent.
struct NumberText {
  bool negative = false;
  std::string_view whole;
  std::string_view fraction;
  int64_t exponent = 0;
};

bool take_apart(std::string_view text, NumberText& out) {
  size_t at = 0;
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) out.negative = text[at++] == '-';
  const size_t whole = at;
  while (at < text.size() && is_digit(text[at])) ++at;
  out.whole = text.substr(whole, at - whole);
  if (at < text.size() && text[at] == '.') {
    const size_t fraction = ++at;
    while (at < text.size() && is_digit(text[at])) ++at;
    out.fraction = text.substr(fraction, at - fraction);
  }
  if (out.whole.empty() && out.fraction.empty()) return false;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    const bool negative = at < text.size() && text[at] == '-';
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    const size_t begin = at;
    for (; at < text.size() && is_digit(text[at]); ++at) {
      if (out.exponent < 1'000'000) out.exponent = out.exponent * 10 + (text[at] - '0');
    }
    if (at == begin) return false;
    if (negative) out.exponent = -out.exponent;
  }
  return at == text.size();
}

/// An integer written otherwise than in plain digits ("5.0", "1e3"), or too long for them: exact, or not an integer.
Parse parse_long_integer(std::string_view text, __int128& out) {
  NumberText number;
  if (!take_apart(text, number)) return Parse::wrong_type;
  const int64_t digits_total = static_cast<int64_t>(number.whole.size() + number.fraction.size());
  const int64_t point = static_cast<int64_t>(number.whole.size()) + number.exponent;
  auto digit = [&](int64_t i) -> int {
    if (i < 0 || i >= digits_total) return 0;
    const size_t index = static_cast<size_t>(i);
    return (index < number.whole.size() ? number.whole[index] : number.fraction[index - number.whole.size()]) - '0';
  };
  for (int64_t i = std::max<int64_t>(point, 0); i < digits_total; ++i) {
    if (digit(i) != 0) return Parse::wrong_type;  // A fraction: not an integer.
  }
  __int128 value = 0;
  bool zero = true;
  for (int64_t i = 0; i < point; ++i) {
    const int next = digit(i);
    zero = zero && next == 0;
    if (zero && i >= digits_total) return out = 0, Parse::ok;
    if (__builtin_mul_overflow(value, static_cast<__int128>(10), &value)) return Parse::out_of_range;
    if (__builtin_add_overflow(value, static_cast<__int128>(number.negative ? -next : next), &value))
      return Parse::out_of_range;
  }
  out = value;
  return Parse::ok;
}

template <class T>
Parse store_integer(std::string_view text, Vector& column, int64_t row) {
  if constexpr (sizeof(T) < 8 || std::is_signed_v<T>) {
    int64_t value;
    const Parse parsed = parse_int64(text, value);
    if (parsed != Parse::ok) return parsed;
    if (value < static_cast<int64_t>(std::numeric_limits<T>::min()) ||
        value > static_cast<int64_t>(std::numeric_limits<T>::max())) {
      return Parse::out_of_range;
    }
    FlatVector::GetData<T>(column)[row] = static_cast<T>(value);
  } else {
    __int128 value;
    const Parse parsed = parse_long_integer(text, value);
    if (parsed != Parse::ok) return parsed;
    if (value < 0 || value > static_cast<__int128>(std::numeric_limits<T>::max())) return Parse::out_of_range;
    FlatVector::GetData<T>(column)[row] = static_cast<T>(value);
  }
  return Parse::ok;
}

hugeint_t to_hugeint(__int128 value) {
  hugeint_t out;
  out.lower = static_cast<uint64_t>(value);
  out.upper = static_cast<int64_t>(value >> 64);
  return out;
}

template <class T>
Parse store_decimal(const ScalarType& type, std::string_view text, Vector& column, int64_t row) {
  __int128 value;
  const Parse parsed = parse_decimal(text, type.width, type.scale, value);
  if (parsed != Parse::ok) return parsed;
  if constexpr (std::is_same_v<T, hugeint_t>) {
    FlatVector::GetData<T>(column)[row] = to_hugeint(value);
  } else {
    FlatVector::GetData<T>(column)[row] = static_cast<T>(value);
  }
  return Parse::ok;
}

bool same_word(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    if ((text[i] | 0x20) != lower[i]) return false;
  }
  return true;
}

Parse store_boolean(std::string_view text, Vector& column, int64_t row) {
  bool value;
  if (same_word(text, "true") || same_word(text, "t") || text == "1") {
    value = true;
  } else if (same_word(text, "false") || same_word(text, "f") || text == "0") {
    value = false;
  } else {
    return Parse::wrong_type;
  }
  FlatVector::GetData<bool>(column)[row] = value;
  return Parse::ok;
}

Parse store_blob(std::string_view text, Vector& column, int64_t row) {
  std::string bytes;
  if (!decode_base64(text, bytes)) return Parse::wrong_type;
  FlatVector::GetData<string_t>(column)[row] = StringVector::AddStringOrBlob(column, bytes.data(), bytes.size());
  return Parse::ok;
}

Parse store_uuid(std::string_view text, Vector& column, int64_t row) {
  hugeint_t value;
  if (!duckdb::BaseUUID::FromString(std::string(text), value, true)) return Parse::wrong_type;
  FlatVector::GetData<hugeint_t>(column)[row] = value;
  return Parse::ok;
}

/// A spelling outside our own form ("infinity", a year before Christ or of five digits) may still be one of DuckDB's.
Parse store_by_cast(Parse parsed, std::string_view text, Vector& column, int64_t row) {
  return parsed == Parse::ok || !cast_text(text, column, row) ? parsed : Parse::ok;
}

}  // namespace

ScalarType scalar_type(const LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::TINYINT:
      return {ScalarKind::int8};
    case LogicalTypeId::SMALLINT:
      return {ScalarKind::int16};
    case LogicalTypeId::INTEGER:
      return {ScalarKind::int32};
    case LogicalTypeId::BIGINT:
      return {ScalarKind::int64};
    case LogicalTypeId::UTINYINT:
      return {ScalarKind::uint8};
    case LogicalTypeId::USMALLINT:
      return {ScalarKind::uint16};
    case LogicalTypeId::UINTEGER:
      return {ScalarKind::uint32};
    case LogicalTypeId::UBIGINT:
      return {ScalarKind::uint64};
    case LogicalTypeId::HUGEINT:
      return {ScalarKind::int128};
    case LogicalTypeId::FLOAT:
      return {ScalarKind::float32};
    case LogicalTypeId::DOUBLE:
      return {ScalarKind::float64};
    case LogicalTypeId::BOOLEAN:
      return {ScalarKind::boolean};
    case LogicalTypeId::VARCHAR:
      return {ScalarKind::text};
    case LogicalTypeId::DATE:
      return {ScalarKind::date};
    case LogicalTypeId::TIME:
      return {ScalarKind::time};
    case LogicalTypeId::TIMESTAMP:
      return {ScalarKind::timestamp};
    case LogicalTypeId::TIMESTAMP_TZ:
      return {ScalarKind::timestamp_tz};
    case LogicalTypeId::BLOB:
      return {ScalarKind::blob};
    case LogicalTypeId::UUID:
      return {ScalarKind::uuid};
    case LogicalTypeId::DECIMAL: {
      const uint8_t width = duckdb::DecimalType::GetWidth(type);
      const ScalarKind kind = width <= 4    ? ScalarKind::decimal16
                              : width <= 9  ? ScalarKind::decimal32
                              : width <= 18 ? ScalarKind::decimal64
                                            : ScalarKind::decimal128;
      return {kind, width, duckdb::DecimalType::GetScale(type)};
    }
    default:
      return {ScalarKind::other};
  }
}

Parse parse_int64(std::string_view text, int64_t& out) {
  const bool negative = !text.empty() && text[0] == '-';
  const size_t count = text.size() - negative;
  if (count == 0) return Parse::wrong_type;
  if (count <= 18) {  // Cannot overflow: the usual case without a check per digit.
    int64_t value = 0;
    for (const char* at = text.data() + negative; at != text.data() + text.size(); ++at) {
      if (!is_digit(*at)) goto long_form;
      value = value * 10 + (*at - '0');
    }
    out = negative ? -value : value;
    return Parse::ok;
  }
long_form:
  __int128 value;
  const Parse parsed = parse_long_integer(text, value);
  if (parsed != Parse::ok) return parsed;
  if (value < std::numeric_limits<int64_t>::min() || value > std::numeric_limits<int64_t>::max())
    return Parse::out_of_range;
  out = static_cast<int64_t>(value);
  return Parse::ok;
}

Parse parse_decimal(std::string_view text, int width, int scale, __int128& out) {
  NumberText number;
  if (!take_apart(text, number)) return Parse::wrong_type;
  const int64_t whole = static_cast<int64_t>(number.whole.size());
  const int64_t digits_total = whole + static_cast<int64_t>(number.fraction.size());
  const int64_t kept =
      whole + number.exponent + scale;  // So many digits make the unscaled value; the next one rounds it.
  auto digit = [&](int64_t i) -> int {
    if (i < 0 || i >= digits_total) return 0;
    return (i < whole ? number.whole[static_cast<size_t>(i)] : number.fraction[static_cast<size_t>(i - whole)]) - '0';
  };
  const __int128 limit = powers[width];
  __int128 value = 0;
  for (int64_t i = 0; i < kept; ++i) {
    if (i >= digits_total && value == 0) break;  // Zero, whatever the exponent.
    if (value >= limit / 10) return Parse::out_of_range;
    value = value * 10 + digit(i);
  }
  if (kept >= 0 && digit(kept) >= 5) ++value;
  if (value >= limit) return Parse::out_of_range;
  out = number.negative ? -value : value;
  return Parse::ok;
}

template <class T>
Parse parse_float(std::string_view text, T& out) {
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  const char* const text_end = text.data() + text.size();
  const auto [end, code] = std::from_chars(text.data(), text_end, out);
  if (end != text_end) return Parse::wrong_type;
  if (code == std::errc()) return Parse::ok;
  if (code != std::errc::result_out_of_range) return Parse::wrong_type;
  // from_chars says the same of the too small and the too large: only the latter is an error.
  NumberText number;
  if (!take_apart(text, number)) return Parse::wrong_type;
  const size_t leading = number.whole.find_first_not_of('0');
  const int64_t whole = leading == std::string_view::npos ? 0 : static_cast<int64_t>(number.whole.size() - leading);
  if (whole + number.exponent > 0) return Parse::out_of_range;
  out = number.negative ? T(-0.0) : T(0.0);
  return Parse::ok;
}
template Parse parse_float(std::string_view, float&);
template Parse parse_float(std::string_view, double&);

Parse parse_timestamp_us(std::string_view text, int64_t& out) {
  int64_t days, time_us = 0, offset_us = 0;
  Parse parsed = take_date(text, days);
  if (parsed != Parse::ok) return parsed;
  if (text.size() > 10) {
    if (text[10] != 'T' && text[10] != ' ' && text[10] != 't') return Parse::wrong_type;
    size_t at = 11;
    parsed = take_time(text, at, time_us);
    if (parsed != Parse::ok) return parsed;
    parsed = take_zone(text, at, offset_us);
    if (parsed != Parse::ok) return parsed;
  }
  out = days * us_per_day + time_us - offset_us;
  return Parse::ok;
}

Parse parse_date_days(std::string_view text, int32_t& out) {
  if (text.size() != 10) return Parse::wrong_type;
  int64_t days;
  const Parse parsed = take_date(text, days);
  if (parsed == Parse::ok) out = static_cast<int32_t>(days);
  return parsed;
}

Parse parse_time_us(std::string_view text, int64_t& out) {
  size_t at = 0;
  const Parse parsed = take_time(text, at, out);
  if (parsed != Parse::ok) return parsed;
  return at == text.size() ? Parse::ok : Parse::wrong_type;
}

bool decode_base64(std::string_view text, std::string& out) {
  static const std::array<int8_t, 256> values = [] {
    std::array<int8_t, 256> table;
    table.fill(-1);
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < alphabet.size(); ++i)
      table[static_cast<unsigned char>(alphabet[i])] = static_cast<int8_t>(i);
    return table;
  }();
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  if (text.size() % 4 == 1) return false;
  uint32_t bits = 0;
  int filled = 0;
  for (char c : text) {
    const int8_t value = values[static_cast<unsigned char>(c)];
    if (value < 0) return false;
    bits = bits << 6 | static_cast<uint32_t>(value);
    filled += 6;
    if (filled >= 8) {
      filled -= 8;
      out += static_cast<char>(bits >> filled & 0xff);
    }
  }
  return true;
}

void append_base64(std::string& out, std::string_view bytes) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t at = 0; at < bytes.size(); at += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - at);
    uint32_t bits = 0;
    for (size_t i = 0; i < 3; ++i) bits = bits << 8 | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    for (size_t i = 0; i < 4; ++i) out += i <= count ? alphabet[bits >> (18 - 6 * i) & 63] : '=';
  }
}

Parse store_text(const ScalarType& type, std::string_view text, Vector& column, int64_t row) {
  switch (type.kind) {
    case ScalarKind::int8:
      return store_integer<int8_t>(text, column, row);
    case ScalarKind::int16:
      return store_integer<int16_t>(text, column, row);
    case ScalarKind::int32:
      return store_integer<int32_t>(text, column, row);
    case ScalarKind::int64:
      return store_integer<int64_t>(text, column, row);
    case ScalarKind::uint8:
      return store_integer<uint8_t>(text, column, row);
    case ScalarKind::uint16:
      return store_integer<uint16_t>(text, column, row);
    case ScalarKind::uint32:
      return store_integer<uint32_t>(text, column, row);
    case ScalarKind::uint64:
      return store_integer<uint64_t>(text, column, row);
    case ScalarKind::int128: {
      __int128 value;
      const Parse parsed = parse_long_integer(text, value);
      if (parsed == Parse::ok) FlatVector::GetData<hugeint_t>(column)[row] = to_hugeint(value);
      return parsed;
    }
    case ScalarKind::float32:
      return parse_float(text, FlatVector::GetData<float>(column)[row]);
    case ScalarKind::float64:
      return parse_float(text, FlatVector::GetData<double>(column)[row]);
    case ScalarKind::decimal16:
      return store_decimal<int16_t>(type, text, column, row);
    case ScalarKind::decimal32:
      return store_decimal<int32_t>(type, text, column, row);
    case ScalarKind::decimal64:
      return store_decimal<int64_t>(type, text, column, row);
    case ScalarKind::decimal128:
      return store_decimal<hugeint_t>(type, text, column, row);
    case ScalarKind::boolean:
      return store_boolean(text, column, row);
    case ScalarKind::text:
      FlatVector::GetData<string_t>(column)[row] =
          text.size() <= string_t::INLINE_LENGTH ? string_t(text.data(), static_cast<uint32_t>(text.size()))
                                                 : StringVector::AddStringOrBlob(column, text.data(), text.size());
      return Parse::ok;
    case ScalarKind::date: {
      int32_t days;
      const Parse parsed = parse_date_days(text, days);
      if (parsed == Parse::ok) FlatVector::GetData<int32_t>(column)[row] = days;
      return store_by_cast(parsed, text, column, row);
    }
    case ScalarKind::time: {
      const Parse parsed = parse_time_us(text, FlatVector::GetData<int64_t>(column)[row]);
      return store_by_cast(parsed, text, column, row);
    }
    case ScalarKind::timestamp:
    case ScalarKind::timestamp_tz: {
      const Parse parsed = parse_timestamp_us(text, FlatVector::GetData<int64_t>(column)[row]);
      return store_by_cast(parsed, text, column, row);
    }
    case ScalarKind::blob:
      return store_blob(text, column, row);
    case ScalarKind::uuid:
      return store_uuid(text, column, row);
    case ScalarKind::other:
      return cast_text(text, column, row) ? Parse::ok : Parse::wrong_type;
  }
  return Parse::wrong_type;
}

}  // namespace headrace
