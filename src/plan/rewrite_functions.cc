// Functions that Flink spells otherwise than DuckDB, where both can be made to mean the same. Others are left alone.
#include <algorithm>
#include <array>
#include <cstdlib>

#include "plan/date_pattern.h"
#include "plan/rewriter.h"

namespace headrace {
namespace {

/// {0} is the first argument, rewritten; {p1} the second one, a date pattern, as DuckDB's. A form without {p} fits any
/// arguments.
struct Spelling {
  std::string_view name;
  size_t arguments;
  std::string_view form;
};
constexpr std::array spellings{
    Spelling{"CHAR_LENGTH", 1, "length({0})"},
    Spelling{"CHARACTER_LENGTH", 1, "length({0})"},
    Spelling{"CARDINALITY", 1, "len(headrace_items({0}))"},  // Of lists and of maps.
    Spelling{"IF", 3, "CASE WHEN {0} THEN {1} ELSE {2} END"},
    // Counts from 0; NULL behind the last part, before the first, and of an empty text. No argument may stand twice in
    // a form: nested calls would double the text with every level.
    Spelling{"SPLIT_INDEX", 3, "list_extract(str_split(nullif({0}, ''), {1}), greatest({2}, -1) + 1)"},
    Spelling{"PROCTIME", 0, "now()"},
    Spelling{"CURRENT_ROW_TIMESTAMP", 0, "now()"},
    Spelling{"UNIX_TIMESTAMP", 0, "(epoch_ms(now()) // 1000)"},
    Spelling{"UNIX_TIMESTAMP", 1, "(epoch_ms(CAST({0} AS TIMESTAMP)) // 1000)"},
    Spelling{"UNIX_TIMESTAMP", 2, "(epoch_ms(strptime({0}, {p1})) // 1000)"},
    Spelling{"FROM_UNIXTIME", 1, "strftime(make_timestamp(CAST({0} AS BIGINT) * 1000000), '%Y-%m-%d %H:%M:%S')"},
    Spelling{"FROM_UNIXTIME", 2, "strftime(make_timestamp(CAST({0} AS BIGINT) * 1000000), {p1})"},
    Spelling{"DATE_FORMAT", 2, "strftime({0}, {p1})"},
    // What is no time is NULL, as in Flink.
    Spelling{"TO_TIMESTAMP", 1, "TRY_CAST({0} AS TIMESTAMP)"},
    Spelling{"TO_TIMESTAMP", 2, "try_strptime({0}, {p1})"},
    Spelling{"TO_DATE", 1, "TRY_CAST({0} AS DATE)"},
    Spelling{"TO_DATE", 2, "CAST(try_strptime({0}, {p1}) AS DATE)"},
    Spelling{"TO_TIMESTAMP_LTZ", 1, "make_timestamptz(CAST({0} AS BIGINT) * 1000)"},
};

/// The units of TIMESTAMPADD and TIMESTAMPDIFF; Flink writes some of them with SQL_TSI_ before.
constexpr std::array time_units{"MICROSECOND", "MILLISECOND", "SECOND", "MINUTE",  "HOUR",
                                "DAY",         "WEEK",        "MONTH",  "QUARTER", "YEAR"};

std::string unit_of(const Token& token) {
  std::string name(token.text);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
  if (name.rfind("SQL_TSI_", 0) == 0) name.erase(0, 8);
  bool known =
      token.kind == TokenKind::word && std::find(time_units.begin(), time_units.end(), name) != time_units.end();
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  return known ? name : "";
}

}  // namespace

Rewriter::Claimed Rewriter::function(size_t i, size_t end) {
  const Token& name = token(i);
  if (name.is("FIRST_VALUE") || name.is("LAST_VALUE")) return value_by_arrival(i, end);
  bool rounds = name.is("FLOOR") || name.is("CEIL") || name.is("CEILING");
  bool units = name.is("TIMESTAMPDIFF") || name.is("TIMESTAMPADD");
  bool epoch = name.is("TO_TIMESTAMP_LTZ"), parse = name.is("TO_TIMESTAMP");
  bool spelt =
      std::any_of(spellings.begin(), spellings.end(), [&](const Spelling& spelling) { return name.is(spelling.name); });
  if (!rounds && !units && !spelt) return not_here();
  HEADRACE_ASSIGN(size_t close, closing(i + 1, end));
  std::vector<TokenRange> given = arguments(i + 1, close);
  for (const TokenRange& argument : given)
    if (argument.empty()) return expected("an argument", token(argument.begin), file_);
  if (rounds) return given.size() == 1 ? rounded_time(i, given[0], close) : not_here();
  if (units) return with_unit(i, given, close);

  // DuckDB's own to_timestamp takes seconds since 1970.
  if (parse && given.size() == 1 && literal_integer(given[0])) return not_here();
  if (epoch && given.size() == 2 && literal_integer(given[1])) {
    int64_t precision = *literal_integer(given[1]);
    if (precision != 0 && precision != 3)
      return error_at(given[1].begin, "TO_TIMESTAMP_LTZ counts seconds (0) or milliseconds (3)");
    HEADRACE_TRY(written(precision == 0 ? "make_timestamptz(CAST({0} AS BIGINT) * 1000000)"
                                        : "make_timestamptz(CAST({0} AS BIGINT) * 1000)",
                         i, given));
    return std::optional(close + 1);
  }
  for (const Spelling& spelling : spellings) {
    if (!name.is(spelling.name) || spelling.arguments != given.size()) continue;
    bool patterned = spelling.form.find("{p1}") != std::string_view::npos;
    if (patterned && (given[1].size() != 1 || token(given[1].begin).kind != TokenKind::string)) return not_here();
    HEADRACE_TRY(written(spelling.form, i, given));
    return std::optional(close + 1);
  }
  return not_here();
}

/// FIRST_VALUE(x) and LAST_VALUE(x) without OVER: aggregates that pass over NULLs, unlike FIRST and LAST.
Rewriter::Claimed Rewriter::value_by_arrival(size_t i, size_t end) {
  HEADRACE_ASSIGN(size_t close, closing(i + 1, end));
  const TokenRange whole{i + 2, close};
  TokenRange value = whole;
  if (!value.empty() && token(value.begin).is("DISTINCT")) ++value.begin;
  for (size_t at = value.begin, depth = 0; at < value.end; ++at) {
    depth += token(at).is_op("(") || token(at).is_op("[");
    depth -= (token(at).is_op(")") || token(at).is_op("]")) && depth > 0;
    if (depth == 0 && token(at).is("ORDER")) value.end = at;
  }
  if (value.empty() || arguments(value.begin - 1, value.end).size() != 1) return not_here();
  std::vector<TokenRange> given{whole, value};
  std::string form = token(i).is("FIRST_VALUE") ? "first({0})" : "last({0})";
  form += " FILTER (WHERE ({1}) IS NOT NULL";
  if (token(close + 1).is("FILTER") && token(close + 2).is_op("(")) {
    const size_t condition = close + (token(close + 3).is("WHERE") ? 4 : 3);
    HEADRACE_ASSIGN(close, closing(close + 2, end));
    if (condition >= close) return not_here();
    given.push_back({condition, close});
    form += " AND ({2})";
  }
  for (const char* word : {"OVER", "IGNORE", "RESPECT"})
    if (token(close + 1).is(word)) return not_here();  // A window function.
  HEADRACE_TRY(written(form + ")", i, given));
  return std::optional(close + 1);
}

/// MAP[key, value, ...]
Rewriter::Claimed Rewriter::map(size_t i, size_t end) {
  HEADRACE_ASSIGN(const size_t close, closing(i + 1, end));
  const std::vector<TokenRange> given = arguments(i + 1, close);
  if (given.empty() || given.size() % 2 != 0) return not_here();  // An element of a column that is called map.
  copy(i);
  put(" {", i + 1);
  for (size_t pair = 0; pair < given.size(); pair += 2) {
    if (pair > 0) put(",", given[pair].begin);
    HEADRACE_TRY(run(given[pair]));
    put(":", given[pair].begin);
    HEADRACE_TRY(run(given[pair + 1]));
  }
  put("}", close);
  return std::optional(close + 1);
}

/// FLOOR(ts TO HOUR) and CEIL(ts TO HOUR); without TO they are the functions of numbers.
Rewriter::Claimed Rewriter::rounded_time(size_t i, TokenRange argument, size_t close) {
  if (argument.size() < 3 || !token(argument.end - 2).is("TO")) return not_here();
  std::string unit = unit_of(token(argument.end - 1));
  if (unit.empty()) return expected("a unit such as HOUR", token(argument.end - 1), file_);
  TokenRange time{argument.begin, argument.end - 2};
  std::string cut = "date_trunc('" + unit + "', ";
  HEADRACE_TRY(written(token(i).is("FLOOR") ? cut + "{0})" : cut + "({0}) + to_" + unit + "s(1) - to_microseconds(1))",
                       i, {time}));
  return std::optional(close + 1);
}

/// TIMESTAMPDIFF(unit, a, b): whole units from a to b. TIMESTAMPADD(unit, n, ts).
Rewriter::Claimed Rewriter::with_unit(size_t i, const std::vector<TokenRange>& given, size_t close) {
  if (given.size() != 3) return error_at(i, std::string(token(i).text) + " takes a unit and two values");
  std::string unit = given[0].size() == 1 ? unit_of(token(given[0].begin)) : "";
  if (unit.empty()) return expected("a unit such as HOUR", token(given[0].begin), file_);
  HEADRACE_TRY(
      written(token(i).is("TIMESTAMPADD") ? "(({2}) + to_" + unit + "s({1}))" : "date_sub('" + unit + "', {1}, {2})", i,
              given));
  return std::optional(close + 1);
}

/// Writes a form with the arguments in their places.
Result<> Rewriter::written(std::string_view form, size_t i, const std::vector<TokenRange>& given) {
  space(i);
  for (size_t at = 0; at < form.size();) {
    size_t open = std::min(form.find('{', at), form.size());
    if (open > at) put(form.substr(at, open - at), i);
    if (open == form.size()) break;
    size_t close = form.find('}', open);
    bool pattern = form[open + 1] == 'p';
    TokenRange argument = given[static_cast<size_t>(form[close - 1] - '0')];
    if (pattern) {
      Result<std::string> translated = date_pattern(token(argument.begin).value());
      if (!translated)
        return Error(std::move(translated).error())
            .with_location({file_, token(argument.begin).line, token(argument.begin).column});
      put(quote_text(*translated), argument.begin);
    } else {
      HEADRACE_TRY(run(argument));
    }
    at = close + 1;
  }
  return {};
}

std::optional<int64_t> Rewriter::literal_integer(TokenRange range) const {
  if (range.size() != 1 || token(range.begin).kind != TokenKind::number) return {};
  return std::atoll(std::string(token(range.begin).text).c_str());
}

}  // namespace headrace
