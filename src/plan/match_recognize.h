// The clause MATCH_RECOGNIZE ( ... ): Flink's subset of SQL:2016. Its own expressions stay tokens, for the rewriting.
#pragma once

#include "duck/match_spec.h"
#include "plan/rewriter.h"

namespace headrace {

struct MatchClause {
  struct Order {
    size_t column = 0;  ///< A token, as are all places here.
    bool descending = false, nulls_first = false;
  };
  struct Measure {
    TokenRange expression;
    size_t name = 0;
  };
  struct Definition {
    size_t variable = 0;  ///< In `pattern`.
    TokenRange condition;
  };

  std::vector<size_t> partition;
  std::vector<Order> order;  ///< The first is the time.
  std::vector<Measure> measures;
  std::vector<PatternVariable> pattern;
  AfterMatch after = AfterMatch::to_next_row;
  size_t after_variable = 0;
  int64_t within_ms = 0;
  std::vector<Definition> definitions;

  std::optional<size_t> find_variable(const Token& name) const;
};

/// Parses what stands between the brackets. Errors, all with their place: syntax_error, and unsupported_sql for what
/// the standard has and Flink has not.
Result<MatchClause> parse_match_recognize(std::span<const Token> tokens, TokenRange inside, const std::string& file);

}  // namespace headrace
