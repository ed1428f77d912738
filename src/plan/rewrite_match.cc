// MATCH_RECOGNIZE as a query that DuckDB can bind:
//
//   t MATCH_RECOGNIZE (PARTITION BY card ORDER BY ts MEASURES LAST(A.x) AS x ... PATTERN (A+ B) DEFINE A AS A.x > 1
//   ...)
//
//   (SELECT headrace_key0 AS card, headrace_m0 AS x
//    FROM headrace_match((SELECT *, card AS headrace_key0, ts AS headrace_time, x AS headrace_a0 FROM t), '...')
//    WHERE headrace_define((headrace_d0 > 1), ...))
//
// Whatever is read off matched rows (LAST(A.x), SUM(A.x * A.y)) is a value: what stands inside its brackets becomes a
// column of the input, the value itself a column that headrace_match gives. A column without a variable is the
// last row's, and comes from headrace_match under its own name.
#include <array>

#include "base/text.h"
#include "plan/match_recognize.h"

namespace headrace {
namespace {

enum class Reads : uint8_t { first, last, aggregate, unsupported };

struct MatchFunction {
  std::string_view name;
  Reads reads;
  std::string_view remedy = {};
};

constexpr std::array match_functions{
    MatchFunction{"FIRST", Reads::first},
    MatchFunction{"LAST", Reads::last},
    MatchFunction{"SUM", Reads::aggregate},
    MatchFunction{"COUNT", Reads::aggregate},
    MatchFunction{"AVG", Reads::aggregate},
    MatchFunction{"MIN", Reads::aggregate},
    MatchFunction{"MAX", Reads::aggregate},
    MatchFunction{"PREV", Reads::unsupported,
                  "write LAST(variable.column, 1): the row before, of those that were matched"},
    MatchFunction{"NEXT", Reads::unsupported, "put the next row into a variable of its own"},
    MatchFunction{"CLASSIFIER", Reads::unsupported, "count a variable's rows: COUNT(A.column) > 0"},
    MatchFunction{"MATCH_NUMBER", Reads::unsupported, "number the rows in a query over the view"},
};

const MatchFunction* find_function(const Token& name) {
  for (const MatchFunction& function : match_functions)
    if (name.is(function.name)) return &function;
  return nullptr;
}

bool same_value(const MatchValue& a, const MatchValue& b) {
  return a.kind == b.kind && a.variable == b.variable && a.argument == b.argument && a.offset == b.offset &&
         a.function == b.function;
}

}  // namespace

/// The MATCH_RECOGNIZE whose expressions are being written.
struct MatchScope {
  MatchClause clause;
  MatchSpec spec;
  std::vector<SqlText> arguments;
  bool in_measures = false;
  bool in_argument = false;        ///< Inside the brackets of FIRST, LAST or an aggregate.
  std::optional<size_t> variable;  ///< in_argument: whose rows are read.

  size_t argument(SqlText text) {
    for (size_t i = 0; i < arguments.size(); ++i)
      if (arguments[i].text == text.text) return i;
    arguments.push_back(std::move(text));
    return arguments.size() - 1;
  }
  /// The column that gives a value.
  std::string column_of(const MatchValue& value) {
    std::vector<MatchValue>& values = in_measures ? spec.measures : spec.conditions;
    size_t at = 0;
    while (at < values.size() && !same_value(values[at], value)) ++at;
    if (at == values.size()) values.push_back(value);
    return std::string(in_measures ? "headrace_m" : "headrace_d") + std::to_string(at);
  }
};

/// Where the table that begins at `i` ends, when MATCH_RECOGNIZE stands behind it.
std::optional<size_t> Rewriter::matched_table(size_t i, size_t end) const {
  if (i == start_ || !(token(i - 1).is("FROM") || token(i - 1).is("JOIN") || token(i - 1).is_op(","))) return {};
  size_t behind = i + (token(i).is_name() ? 1 : 0);
  if (behind < end && token(behind).is_op("(")) {
    Result<size_t> close = closing(behind, end);
    if (!close) return {};
    behind = *close + 1;
  }
  bool here = behind > i && behind + 1 < end && token(behind).is("MATCH_RECOGNIZE") && token(behind + 1).is_op("(");
  return here ? std::optional(behind) : std::nullopt;
}

/// Runs `write` with a text of its own.
template <class F>
Result<SqlText> Rewriter::aside(F write) {
  SqlText outside = std::exchange(out_, {});
  copied_next_ = SIZE_MAX;
  Result<> done = write();
  std::swap(out_, outside);
  copied_next_ = SIZE_MAX;
  if (!done) return std::move(done).error();
  return outside;
}

void Rewriter::append(const SqlText& piece) {
  for (SqlText::Place place : piece.places) {
    place.byte += out_.text.size();
    out_.places.push_back(place);
  }
  out_.text += piece.text;
  copied_next_ = SIZE_MAX;
}

Rewriter::Claimed Rewriter::match_recognize(size_t i, size_t clause, size_t end) {
  HEADRACE_ASSIGN(size_t close, closing(clause + 1, end));
  MatchScope scope;
  HEADRACE_ASSIGN(scope.clause, parse_match_recognize(tokens_, {clause + 2, close}, file_));
  const MatchClause& parsed = scope.clause;
  if (parsed.partition.empty() && parsed.measures.empty()) return expected("MEASURES", token(clause + 2), file_);
  MatchScope* outer = std::exchange(match_, nullptr);
  Result<SqlText> table = aside([&] { return run({i, clause}); });
  match_ = &scope;
  Result<SqlText> measures = aside([&] { return match_measures(scope); });
  Result<SqlText> conditions = aside([&] { return match_conditions(scope); });
  match_ = outer;
  for (Result<SqlText>* piece : {&table, &measures, &conditions})
    if (!*piece) return std::move(*piece).error();

  space(i);
  put("(SELECT ", clause);
  append(*measures);
  put(" FROM headrace_match((SELECT *", clause);
  for (size_t k = 0; k < parsed.partition.size(); ++k) {
    put(", ", clause);
    put(quote_name(token(parsed.partition[k]).value()), parsed.partition[k]);
    put(" AS headrace_key" + std::to_string(k), clause);
  }
  put(", ", clause);
  put(quote_name(token(parsed.order[0].column).value()), parsed.order[0].column);
  put(" AS headrace_time", clause);
  if (parsed.order.size() > 1) put(", " + sort_key(parsed) + " AS headrace_order", parsed.order[1].column);
  for (size_t a = 0; a < scope.arguments.size(); ++a) {
    put(", ", clause);
    append(scope.arguments[a]);
    put(" AS headrace_a" + std::to_string(a), clause);
  }
  put(" FROM ", clause);
  append(*table);
  MatchSpec& spec = scope.spec;
  spec.keys = parsed.partition.size();
  spec.sorted = parsed.order.size() > 1;
  spec.arguments = scope.arguments.size();
  spec.pattern = parsed.pattern;
  for (const MatchClause::Definition& definition : parsed.definitions) spec.defined.push_back(definition.variable);
  spec.after = parsed.after;
  spec.after_variable = parsed.after_variable;
  spec.within_ms = parsed.within_ms;
  put("), " + quote_text(encode(spec)) + ") WHERE headrace_define(", clause);
  append(*conditions);
  put("))", close);
  return std::optional(close + 1);
}

std::string Rewriter::sort_key(const MatchClause& clause) const {
  std::string out = "create_sort_key(";
  for (size_t k = 1; k < clause.order.size(); ++k) {
    const MatchClause::Order& item = clause.order[k];
    out += (k > 1 ? ", " : "") + quote_name(token(item.column).value()) + (item.descending ? ", 'DESC" : ", 'ASC") +
           (item.nulls_first ? " NULLS FIRST'" : " NULLS LAST'");
  }
  return out + ")";
}

Result<> Rewriter::match_measures(MatchScope& scope) {
  scope.in_measures = true;
  const MatchClause& clause = scope.clause;
  for (size_t k = 0; k < clause.partition.size(); ++k)
    put((k > 0 ? ", headrace_key" : "headrace_key") + std::to_string(k) + " AS " +
            quote_name(token(clause.partition[k]).value()),
        clause.partition[k]);
  for (size_t k = 0; k < clause.measures.size(); ++k) {
    const MatchClause::Measure& measure = clause.measures[k];
    if (k > 0 || !clause.partition.empty()) put(", ", measure.expression.begin);
    HEADRACE_TRY(run(measure.expression));
    put(" AS " + quote_name(token(measure.name).value()), measure.name);
  }
  return {};
}

Result<> Rewriter::match_conditions(MatchScope& scope) {
  scope.in_measures = false;
  for (size_t k = 0; k < scope.clause.definitions.size(); ++k) {
    const TokenRange condition = scope.clause.definitions[k].condition;
    put(k > 0 ? ", (" : "(", condition.begin);
    HEADRACE_TRY(run(condition));
    put(")", condition.begin);
  }
  return {};
}

/// A.x, FIRST(...), SUM(...), MATCH_ROWTIME() ... inside of MEASURES and DEFINE.
Rewriter::Claimed Rewriter::match_value(size_t i, size_t end) {
  MatchScope& scope = *match_;
  const Token& here = token(i);
  if (!here.is_name() || token(i - 1).is_op(".")) return not_here();
  std::optional<size_t> variable =
      token(i + 1).is_op(".") && i + 2 < end ? scope.clause.find_variable(here) : std::nullopt;
  if (variable) {
    if (!token(i + 2).is_name()) return expected("a column of " + here.value(), token(i + 2), file_);
    const std::string column = quote_name(token(i + 2).value());
    space(i);
    if (scope.in_argument) {
      if (scope.variable && scope.variable != variable)
        return error_at(i, "what is read together must be of one variable; here are " +
                               scope.clause.pattern[*scope.variable].name + " and " + here.value());
      scope.variable = variable;
      put(column, i + 2);
      return std::optional(i + 3);
    }
    MatchValue value;
    value.variable = variable;
    HEADRACE_ASSIGN(SqlText argument, aside([&]() -> Result<> {
                      put(column, i + 2);
                      return {};
                    }));
    value.argument = scope.argument(std::move(argument));
    put(scope.column_of(value), i);
    return std::optional(i + 3);
  }
  if (here.kind != TokenKind::word) return not_here();
  const bool prefixed = scope.in_measures && (here.is("FINAL") || here.is("RUNNING"));
  if (prefixed && find_function(token(i + 1)) != nullptr && token(i + 2).is_op("(")) {
    space(i);
    return match_call(i + 1, end);  // With one row per match both mean the same.
  }
  return token(i + 1).is_op("(") ? match_call(i, end) : not_here();
}

Rewriter::Claimed Rewriter::match_call(size_t i, size_t end) {
  MatchScope& scope = *match_;
  const Token& name = token(i);
  if (name.is("MATCH_ROWTIME") || name.is("MATCH_PROCTIME")) {
    HEADRACE_ASSIGN(size_t close, closing(i + 1, end));
    if (name.is("MATCH_ROWTIME") && !scope.in_measures)
      return error_at(i, "MATCH_ROWTIME belongs to MEASURES")
          .with_remedy("name the time's column: it is the row's own");
    space(i);
    put(name.is("MATCH_ROWTIME") ? "headrace_time" : "now()", i);
    return std::optional(close + 1);
  }
  const MatchFunction* function = find_function(name);
  if (function == nullptr) return not_here();
  if (function->reads == Reads::unsupported)
    return user_error(Code::unsupported_sql, std::string(function->name) + " is not supported in MATCH_RECOGNIZE")
        .with_remedy(std::string(function->remedy))
        .with_location({file_, name.line, name.column});
  if (scope.in_argument)
    return error_at(i, std::string(name.text) + " stands inside of another function that reads matched rows");
  HEADRACE_ASSIGN(size_t close, closing(i + 1, end));
  std::vector<TokenRange> given = arguments(i + 1, close);
  if (given.empty() || given[0].empty()) return expected("an argument", token(i + 2), file_);
  MatchValue value;
  if (function->reads == Reads::aggregate) {
    value.kind = MatchValue::Kind::aggregate;
    value.function = lower_case(function->name);
    if (given.size() > 1) return error_at(given[1].begin, std::string(function->name) + " takes one argument");
    if (token(given[0].begin).is("DISTINCT"))
      return user_error(Code::unsupported_sql, "DISTINCT is not supported inside of MATCH_RECOGNIZE")
          .with_remedy("aggregate the plain values")
          .with_location({file_, token(given[0].begin).line, token(given[0].begin).column});
  } else {
    value.kind = function->reads == Reads::first ? MatchValue::Kind::first : MatchValue::Kind::last;
    if (given.size() > 2) return error_at(given[2].begin, std::string(function->name) + " takes a value and an offset");
    std::optional<int64_t> offset = given.size() == 2 ? literal_integer(given[1]) : 0;
    if (!offset) return expected("a number of rows", token(given[1].begin), file_);
    value.offset = *offset;
  }
  scope.in_argument = true;
  scope.variable.reset();
  Result<SqlText> argument = aside([&]() -> Result<> {
    const bool star = value.function == "count" && given[0].size() == 1 && token(given[0].begin).is_op("*");
    if (!star) return run(given[0]);
    put("1", given[0].begin);
    return {};
  });
  scope.in_argument = false;
  if (!argument) return std::move(argument).error();
  value.variable = scope.variable;
  value.argument = scope.argument(*std::move(argument));
  space(i);
  put(scope.column_of(value), i);
  return std::optional(close + 1);
}

}  // namespace headrace
