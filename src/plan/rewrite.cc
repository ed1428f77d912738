#include "plan/rewrite.h"

#include <array>

#include "plan/interval.h"
#include "plan/rewriter.h"
#include "plan/type_name.h"

namespace headrace {
namespace {

constexpr int depth_max = 200;  // Of nested calls: a file cannot exhaust the stack.

bool opens(const Token& token) {
  return token.is_op("(") || token.is_op("[") || token.is_op("{");
}
bool closes(const Token& token) {
  return token.is_op(")") || token.is_op("]") || token.is_op("}");
}

}  // namespace

Result<SqlText> Rewriter::rewrite(TokenRange range) {
  out_ = {};
  out_.at = {file_, token(range.begin).line, token(range.begin).column};
  start_ = range.begin;
  copied_next_ = SIZE_MAX;
  HEADRACE_TRY(run(range));
  return std::move(out_);
}

Result<> Rewriter::run(TokenRange range) {
  if (++depth_ > depth_max) return error_at(range.begin, "this is nested too deeply");
  for (size_t i = range.begin; i < range.end;) {
    HEADRACE_ASSIGN(std::optional<size_t> next, claim(i, range.end));
    if (!next) copy(i);
    i = next.value_or(i + 1);
  }
  --depth_;
  return {};
}

Rewriter::Claimed Rewriter::claim(size_t i, size_t end) {
  const Token& here = token(i);
  if (std::optional<size_t> clause = matched_table(i, end)) return match_recognize(i, *clause, end);
  if (match_ != nullptr) {
    HEADRACE_ASSIGN(std::optional<size_t> next, match_value(i, end));
    if (next) return next;
  }
  if (here.kind == TokenKind::quoted && here.text[0] == '`') {
    space(i);
    put(quote_name(here.value()), i);
    return std::optional(i + 1);
  }
  if (here.is_op("::")) return colon_cast(i);
  if (here.kind != TokenKind::word || (i > 0 && token(i - 1).is_op("."))) return not_here();
  if (here.is("INTERVAL")) return interval(i);
  if (here.is("TIMESTAMP")) return timestamp_literal(i);
  if (here.is("FOR")) return as_of(i, end);
  if (here.is("UNNEST") || here.is("LEFT")) return unnest(i, end);
  if (here.is("MAP") && token(i + 1).is_op("[")) return map(i, end);
  if (!token(i + 1).is_op("(")) return not_here();
  if (here.is("MATCH_RECOGNIZE"))
    return error_at(i, "MATCH_RECOGNIZE stands behind the name of a table, or a query in brackets, in FROM")
        .with_remedy("write FROM t MATCH_RECOGNIZE (...) AS alias");
  if (here.is("CAST") || here.is("TRY_CAST")) return cast(i, end);
  if (here.is("LATE")) return late(i, end);
  if (here.is("TABLE")) return table_wrapper(i, end);
  HEADRACE_ASSIGN(std::optional<size_t> next, window(i, end));
  if (next) return next;
  HEADRACE_ASSIGN(next, process(i, end));
  if (next) return next;
  return function(i, end);
}

Rewriter::Claimed Rewriter::cast(size_t i, size_t end) {
  HEADRACE_ASSIGN(size_t close, closing(i + 1, end));
  size_t as = 0;
  int depth = 0;
  for (size_t j = i + 2; j < close; ++j) {
    depth += opens(token(j)) - closes(token(j));
    if (depth == 0 && token(j).is("AS")) as = j;
  }
  if (as == 0) return error_at(i, "expected " + std::string(token(i).text) + "(value AS type): there is no AS");
  copy(i);
  copy(i + 1);
  HEADRACE_TRY(run({i + 2, as}));
  copy(as);
  size_t behind = as + 1;
  HEADRACE_ASSIGN(std::string type, read_type(tokens_, behind, file_));
  if (behind != close) return expected("')' behind the type", token(behind), file_);
  put(" " + type, as + 1);
  copy(close);
  return std::optional(close + 1);
}

Rewriter::Claimed Rewriter::colon_cast(size_t i) {
  size_t behind = i + 1;
  HEADRACE_ASSIGN(std::string type, read_type(tokens_, behind, file_));
  copy(i);
  put(type, i + 1);
  return std::optional(behind);
}

/// INTERVAL '5' SECOND is DuckDB's, too; INTERVAL '1 12' DAY TO HOUR, INTERVAL '1' DAY(3) and INTERVAL -'1' DAY are
/// written out.
Rewriter::Claimed Rewriter::interval(size_t i) {
  bool sign = token(i + 1).is_op("-") || token(i + 1).is_op("+");
  if (token(i + 1 + sign).kind != TokenKind::string) return not_here();
  size_t behind = i;
  Result<IntervalText> read = read_interval(tokens_, behind, file_);
  if (!sign && behind <= i + 3) return not_here();  // DuckDB takes it, or says what is wrong.
  if (!read) return std::move(read).error();
  space(i);
  put("INTERVAL " + quote_text(read->duckdb_text()), i);
  return std::optional(behind);
}

/// TIMESTAMP(3) '2020-...' would be a type of milliseconds.
Rewriter::Claimed Rewriter::timestamp_literal(size_t i) {
  bool here = token(i + 1).is_op("(") && token(i + 2).kind == TokenKind::number && token(i + 3).is_op(")");
  if (!here || token(i + 4).kind != TokenKind::string) return not_here();
  copy(i);
  return std::optional(i + 4);
}

/// Whether the comma at `i` stands in a FROM list.
bool Rewriter::in_from(size_t i) const {
  int depth = 0;
  while (i-- > start_) {
    if (opens(token(i)) && depth-- == 0) return false;
    if (closes(token(i))) ++depth;
    if (depth > 0) continue;
    if (token(i).is("FROM")) return true;
    for (const char* word : {"SELECT", "WHERE", "BY", "HAVING", "VALUES"})
      if (token(i).is(word)) return false;
  }
  return false;
}

/// A table function only where a table may stand: late(x) elsewhere is a function of the user's.
Rewriter::Claimed Rewriter::late(size_t i, size_t end) {
  if (i == 0) return not_here();
  const Token& before = token(i - 1);
  bool wrapped = i > 1 && before.is_op("(") && token(i - 2).is("TABLE");
  bool listed = before.is_op(",") && in_from(i - 1);
  bool as_table = before.is("FROM") || before.is("JOIN") || before.is("TABLE") || wrapped || listed;
  bool one_name = token(i + 2).is_name() && token(i + 3).is_op(")") && i + 3 < end;
  if (!as_table || !one_name) return not_here();
  space(i);
  put("headrace_late(" + quote_text(token(i + 2).value()) + ")", i);
  return std::optional(i + 4);
}

/// TABLE(f(...)) -> f(...)
Rewriter::Claimed Rewriter::table_wrapper(size_t i, size_t end) {
  if (!is_call(i + 2)) return not_here();
  HEADRACE_ASSIGN(size_t close, closing(i + 1, end));
  HEADRACE_ASSIGN(size_t inner_close, closing(i + 3, close));
  if (inner_close + 1 != close) return not_here();
  space(i);
  HEADRACE_TRY(run({i + 2, close}));
  return std::optional(close + 1);
}

/// Whether a clause or a join begins at `i`, behind a table or a condition.
bool Rewriter::goes_on(size_t i) const {
  constexpr std::array words{"JOIN",      "INNER",  "CROSS",   "NATURAL", "ASOF",  "POSITIONAL", "SEMI",   "ANTI",
                             "WHERE",     "GROUP",  "HAVING",  "ORDER",   "LIMIT", "OFFSET",     "WINDOW", "UNION",
                             "INTERSECT", "EXCEPT", "QUALIFY", "FULL",    "FETCH", "LEFT",       "RIGHT"};
  const Token& here = token(i);
  const bool call = token(i + 1).is_op("(") && (here.is("LEFT") || here.is("RIGHT"));  // The functions of text.
  return !call && std::any_of(words.begin(), words.end(), [&](const char* word) { return here.is(word); });
}

/// The end of an ON condition that begins at `i`.
size_t Rewriter::end_of_condition(size_t i, size_t end) const {
  int depth = 0;
  for (; i < end; ++i) {
    const Token& here = token(i);
    if (depth == 0 && here.is_op(",")) return i;
    if (closes(here) && depth-- == 0) return i;
    if (opens(here)) ++depth;
    if (depth > 0 || here.kind != TokenKind::word || token(i - 1).is_op(".")) continue;
    if (goes_on(i)) return i;
  }
  return end;
}

/// v FOR SYSTEM_TIME AS OF time [AS] alias ON condition -> v AS alias ON (condition) AND headrace_as_of(time)
Rewriter::Claimed Rewriter::as_of(size_t i, size_t end) {
  if (!token(i + 1).is("SYSTEM_TIME")) return not_here();
  if (!token(i + 2).is("AS") || !token(i + 3).is("OF"))
    return expected("AS OF", token(token(i + 2).is("AS") ? i + 3 : i + 2), file_);
  TokenRange time{i + 4, i + 4};
  size_t on = end;
  int depth = 0;
  for (size_t j = i + 4; j < end && on == end; ++j) {
    if (closes(token(j)) && depth-- == 0) break;
    if (opens(token(j))) ++depth;
    if (depth == 0 && token(j).is("AS") && time.empty()) time.end = j;
    if (depth == 0 && token(j).is("ON")) on = j;
  }
  if (on == end)
    return error_at(i, "a join FOR SYSTEM_TIME AS OF needs an ON condition")
        .with_remedy("write ... FOR SYSTEM_TIME AS OF t.ts AS v ON t.key = v.key");
  TokenRange alias{on, on};
  if (!time.empty())
    alias.begin = time.end + 1;
  else if (token(on - 1).is_name() && on - i > 5 && (token(on - 2).is_name() || token(on - 2).is_op(")")))
    alias.begin = time.end = on - 1;
  else
    time.end = on;
  if (time.empty()) return expected("a time", token(i + 4), file_);
  size_t behind = end_of_condition(on + 1, end);
  if (!alias.empty()) {
    put(" AS", i);
    HEADRACE_TRY(run(alias));
  }
  copy(on);
  put(" (", on);
  HEADRACE_TRY(run({on + 1, behind}));
  put(") AND headrace_as_of(", i);
  HEADRACE_TRY(run(time));
  put(")", i);
  return std::optional(behind);
}

Result<size_t> Rewriter::closing(size_t open, size_t end) const {
  int depth = 0;
  for (size_t i = open; i < end; ++i) {
    depth += opens(token(i)) - closes(token(i));
    if (depth == 0) return i;
  }
  return error_at(open, "this bracket is never closed");
}

std::vector<TokenRange> Rewriter::arguments(size_t open, size_t close) const {
  std::vector<TokenRange> out;
  if (open + 1 == close) return out;
  int depth = 0;
  out.push_back({open + 1, open + 1});
  for (size_t i = open + 1; i < close; ++i) {
    depth += opens(token(i)) - closes(token(i));
    if (depth == 0 && token(i).is_op(","))
      out.push_back({i + 1, i + 1});
    else
      out.back().end = i + 1;
  }
  return out;
}

void Rewriter::space(size_t i) {
  if (i == start_) return;
  const char* behind = token(i - 1).text.data() + token(i - 1).text.size();
  out_.text.append(behind, token(i).text.data());
}

std::string Rewriter::before(std::string_view text, size_t next) const {
  bool touches = next == start_ || token(next - 1).text.data() + token(next - 1).text.size() == token(next).text.data();
  return std::string(text) + (touches ? " " : "");
}

void Rewriter::copy(size_t i) {
  space(i);
  if (copied_next_ != i) out_.places.push_back({out_.text.size(), token(i).line, token(i).column, true});
  out_.text += token(i).text;
  copied_next_ = i + 1;
}

void Rewriter::put(std::string_view text, size_t i) {
  out_.places.push_back({out_.text.size(), token(i).line, token(i).column, false});
  out_.text += text;
  copied_next_ = SIZE_MAX;
}

Result<SqlText> rewrite_tokens(std::span<const Token> tokens, size_t begin, size_t end, const std::string& file) {
  return Rewriter(tokens, file).rewrite({begin, end});
}

Result<SqlText> rewrite_sql(std::string_view text, const Location& at) {
  Tokens tokens = tokenize(text, at);
  if (!tokens.errors.empty()) return std::move(tokens.errors.front());
  return rewrite_tokens(tokens.tokens, 0, tokens.tokens.size() - 1, at.file);
}

Result<std::string> rewrite_type(std::string_view type, const Location& at) {
  Tokens tokens = tokenize(type, at);
  if (!tokens.errors.empty()) return std::move(tokens.errors.front());
  size_t behind = 0;
  HEADRACE_ASSIGN(std::string out, read_type(tokens.tokens, behind, at.file));
  if (tokens.tokens[behind].kind != TokenKind::end)
    return expected("the end of the type", tokens.tokens[behind], at.file);
  return out;
}

}  // namespace headrace
