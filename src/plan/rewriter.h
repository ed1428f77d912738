// The token walk behind rewrite.h. Each pattern looks at the tokens from one place on, writes what DuckDB takes instead
// and says where to go on; what no pattern claims is copied. Private to the rewriting.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "plan/expected.h"
#include "plan/rewrite.h"

namespace headrace {

/// Tokens [begin, end).
struct TokenRange {
  size_t begin = 0, end = 0;
  bool empty() const { return begin == end; }
  size_t size() const { return end - begin; }
};

struct TableAlias;
struct MatchClause;
struct MatchScope;

class Rewriter {
 public:
  Rewriter(std::span<const Token> tokens, const std::string& file) : tokens_(tokens), file_(file) {}

  Result<SqlText> rewrite(TokenRange range);

 private:
  /// Where to go on, or nothing when the pattern is not there. A pattern that gives nothing has written nothing.
  using Claimed = Result<std::optional<size_t>>;
  static Claimed not_here() { return std::optional<size_t>{}; }

  Result<> run(TokenRange range);
  Claimed claim(size_t i, size_t end);

  // rewrite.cc
  Claimed cast(size_t i, size_t end);
  Claimed colon_cast(size_t i);
  Claimed interval(size_t i);
  Claimed timestamp_literal(size_t i);
  Claimed late(size_t i, size_t end);
  Claimed table_wrapper(size_t i, size_t end);
  Claimed as_of(size_t i, size_t end);
  bool in_from(size_t i) const;
  size_t end_of_condition(size_t i, size_t end) const;
  bool goes_on(size_t i) const;

  // rewrite_windows.cc
  Claimed window(size_t i, size_t end);
  Claimed process(size_t i, size_t end);
  Result<> window_data(TokenRange data);
  Result<std::string> window_keys(std::vector<TokenRange>& arguments);
  Error group_window(size_t i) const;

  // rewrite_unnest.cc
  Claimed unnest(size_t i, size_t end);
  Claimed unnest_items(size_t i, size_t close);
  Result<> unnested(size_t i, TokenRange value, size_t columns, bool left, bool numbered);
  Result<TableAlias> table_alias(size_t i, size_t end) const;

  // rewrite_match.cc
  std::optional<size_t> matched_table(size_t i, size_t end) const;
  Claimed match_recognize(size_t i, size_t clause, size_t end);
  Claimed match_value(size_t i, size_t end);
  Claimed match_call(size_t i, size_t end);
  Result<> match_measures(MatchScope& scope);
  Result<> match_conditions(MatchScope& scope);
  std::string sort_key(const MatchClause& clause) const;
  template <class F>
  Result<SqlText> aside(F write);
  void append(const SqlText& piece);

  // rewrite_functions.cc
  Claimed function(size_t i, size_t end);
  Claimed value_by_arrival(size_t i, size_t end);
  Claimed map(size_t i, size_t end);
  Claimed rounded_time(size_t i, TokenRange argument, size_t close);
  Claimed with_unit(size_t i, const std::vector<TokenRange>& given, size_t close);
  Result<> written(std::string_view form, size_t i, const std::vector<TokenRange>& given);

  const Token& token(size_t i) const { return tokens_[std::min(i, tokens_.size() - 1)]; }
  bool is_call(size_t i) const {
    return token(i).kind == TokenKind::word && token(i + 1).is_op("(") && !(i > 0 && token(i - 1).is_op("."));
  }
  /// The token that closes the bracket at `open`. Errors: syntax_error when none does before `end`.
  Result<size_t> closing(size_t open, size_t end) const;
  /// The arguments of a call, cut at the commas; none for "()".
  std::vector<TokenRange> arguments(size_t open, size_t close) const;
  std::optional<int64_t> literal_integer(TokenRange range) const;
  Error error_at(size_t i, std::string message) const { return syntax_error(std::move(message), token(i), file_); }

  /// Writes what stands between a token and the one before it.
  void space(size_t i);
  /// `text` with a blank behind it where none stands before the token that follows.
  std::string before(std::string_view text, size_t next) const;
  /// Writes a token as it stands, with the space before it.
  void copy(size_t i);
  /// Writes text that stands for the token `i`.
  void put(std::string_view text, size_t i);

  std::span<const Token> tokens_;
  std::string file_;
  SqlText out_;
  size_t start_ = 0;               ///< The first token of the whole: what stands before it is not part of the text.
  size_t copied_next_ = SIZE_MAX;  ///< The token behind the last copied one: its place needs no note.
  int depth_ = 0;
  MatchScope* match_ = nullptr;  ///< Whose MEASURES or DEFINE are being written.
};

}  // namespace headrace
