#include "plan/interval.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <vector>

#include "plan/expected.h"

namespace headrace {
namespace {

struct Unit {
  std::string_view name;
  int64_t months, us;  // One of them is 0.
};
constexpr std::array units{
    Unit{"YEAR", 12, 0},
    Unit{"QUARTER", 3, 0},
    Unit{"MONTH", 1, 0},
    Unit{"WEEK", 0, 604'800'000'000},
    Unit{"DAY", 0, 86'400'000'000},
    Unit{"HOUR", 0, 3'600'000'000},
    Unit{"MINUTE", 0, 60'000'000},
    Unit{"SECOND", 0, 1'000'000},
    Unit{"MILLISECOND", 0, 1000},
    Unit{"MICROSECOND", 0, 1},
};
/// The units that may stand on both sides of TO, in order.
constexpr std::array parts{std::string_view("YEAR"), std::string_view("MONTH"),  std::string_view("DAY"),
                           std::string_view("HOUR"), std::string_view("MINUTE"), std::string_view("SECOND")};

/// A unit's name, in the singular or the plural.
const Unit* find_unit(std::string_view word) {
  std::string name(word);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
  for (const Unit& unit : units)
    if (name == unit.name || name == std::string(unit.name) + "S") return &unit;
  return nullptr;
}

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  bool read = !text.empty() && error == std::errc() && end == text.data() + text.size() && std::isfinite(value);
  return read ? std::optional(value) : std::nullopt;
}

/// Cuts at blanks and at every character of `between`.
std::vector<std::string_view> cut(std::string_view text, std::string_view between) {
  std::vector<std::string_view> out;
  for (size_t at = 0; at < text.size();) {
    size_t end = std::min(text.find_first_of(between, at), text.size());
    if (end > at) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

/// False where the sum does not fit.
bool add(IntervalText& sum, double count, const Unit& unit) {
  double months = count * static_cast<double>(unit.months), us = std::round(count * static_cast<double>(unit.us));
  if (std::abs(months) > 1e6 || std::abs(us) > 4e18 || months != std::floor(months)) return false;
  sum.months += static_cast<int64_t>(months);
  return !__builtin_add_overflow(sum.us, static_cast<int64_t>(us), &sum.us);
}

/// "90 seconds", "1 day 2 hours"
std::optional<IntervalText> pairs(std::string_view text) {
  IntervalText sum;
  std::vector<std::string_view> words = cut(text, " ");
  if (words.empty() || words.size() % 2 != 0) return {};
  for (size_t i = 0; i < words.size(); i += 2) {
    std::optional<double> count = number_of(words[i]);
    const Unit* unit = find_unit(words[i + 1]);
    if (!count || unit == nullptr || !add(sum, *count, *unit)) return {};
  }
  return sum;
}

/// "1 12:30" from DAY to MINUTE: one number for each unit on the way.
std::optional<IntervalText> stretch(std::string_view text, const Unit& from, const Unit& to) {
  bool negative = !text.empty() && text[0] == '-';
  if (negative || (!text.empty() && text[0] == '+')) text.remove_prefix(1);
  auto first = std::find(parts.begin(), parts.end(), from.name), last = std::find(parts.begin(), parts.end(), to.name);
  std::vector<std::string_view> numbers = cut(text, " :-");
  if (first == parts.end() || last == parts.end() || last <= first ||
      numbers.size() != static_cast<size_t>(last - first + 1))
    return {};
  IntervalText sum;
  for (std::string_view word : numbers) {
    std::optional<double> count = number_of(word);
    if (!count || !add(sum, negative ? -*count : *count, *find_unit(*first++))) return {};
  }
  return sum;
}

std::optional<IntervalText> single(std::string_view text, const Unit& unit) {
  IntervalText sum;
  std::vector<std::string_view> words = cut(text, " ");
  std::optional<double> count = words.size() == 1 ? number_of(words[0]) : std::nullopt;
  if (!count || !add(sum, *count, unit)) return {};
  return sum;
}

}  // namespace

std::string IntervalText::duckdb_text() const {
  return fmt::format("{} months {} microseconds", months, us);
}

Result<IntervalText> read_interval(std::span<const Token> tokens, size_t& at, const std::string& file) {
  auto token = [&](size_t i) -> const Token& { return tokens[std::min(i, tokens.size() - 1)]; };
  auto skip_precision = [&] {
    if (token(at).is_op("(") && token(at + 1).kind == TokenKind::number && token(at + 2).is_op(")")) at += 3;
  };
  ++at;
  bool minus = token(at).is_op("-");
  if (minus || token(at).is_op("+")) ++at;
  const Token& value = token(at);
  if (value.kind != TokenKind::string && value.kind != TokenKind::number)
    return expected("a length such as '10'", value, file);
  ++at;
  const Unit* unit = token(at).kind == TokenKind::word ? find_unit(token(at).text) : nullptr;
  const Unit* to = nullptr;
  if (unit != nullptr) {
    ++at;
    skip_precision();
    if (token(at).is("TO")) {
      to = find_unit(token(at + 1).text);
      if (to == nullptr) return expected("a unit such as SECOND", token(at + 1), file);
      at += 2;
      skip_precision();
    }
  } else if (value.kind == TokenKind::number) {
    return expected("a unit such as SECOND", token(at), file);
  }
  std::string text = value.value();
  std::optional<IntervalText> read = to != nullptr     ? stretch(text, *unit, *to)
                                     : unit != nullptr ? single(text, *unit)
                                                       : pairs(text);
  if (!read)
    return syntax_error(describe(value) + " is not a length of time", value, file)
        .with_remedy("write INTERVAL '10' SECOND");
  if (minus) {
    read->months = -read->months;
    read->us = -read->us;
  }
  return *read;
}

}  // namespace headrace
