// What MATCH_RECOGNIZE says, apart from its expressions. It goes through DuckDB's binder as a text in the call of
// headrace_match: the rewriting writes it, the binder and the planner read it. Knows nothing of DuckDB.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace headrace {

inline constexpr int64_t unbounded_rows = INT64_MAX;

/// A variable of a pattern: takes `min` to `max` rows that follow each other.
struct PatternVariable {
  std::string name;
  int64_t min = 1;
  int64_t max = 1;  ///< unbounded_rows: no limit.
  bool reluctant = false;
};

/// Where the search goes on after a match.
enum class AfterMatch : uint8_t { past_last_row, to_next_row, to_first, to_last };

/// What conditions and measures read off the rows that were matched so far: a value of one row, or an aggregate.
struct MatchValue {
  enum class Kind : uint8_t { first, last, aggregate } kind = Kind::last;
  std::optional<size_t> variable;  ///< None: the rows of all variables.
  size_t argument = 0;             ///< Among the arguments; in the plan: a column of the input.
  int64_t offset = 0;              ///< FIRST(x, n), LAST(x, n).
  std::string function;            ///< aggregate: sum, count, avg, min or max.
};

/// headrace_match reads a table with its own columns, then: keys, time, sort key (when `sorted`), arguments.
/// It gives: keys, time, the values of measures, those of conditions, and the table's own columns of the last row.
struct MatchSpec {
  size_t keys = 0;
  bool sorted = false;  ///< ORDER BY goes on behind the time.
  size_t arguments = 0;
  std::vector<PatternVariable> pattern;
  std::vector<size_t> defined;  ///< Whose condition each argument of headrace_define is.
  AfterMatch after = AfterMatch::to_next_row;
  size_t after_variable = 0;  ///< to_first, to_last
  int64_t within_ms = 0;      ///< 0: no limit.
  std::vector<MatchValue> measures, conditions;

  /// How many columns stand behind the table's own.
  size_t added_columns() const { return keys + 1 + sorted + arguments; }
};

std::string encode(const MatchSpec& spec);
/// Errors: bind_error for a text that encode() did not write.
Result<MatchSpec> decode_match(const std::string& text);

}  // namespace headrace
