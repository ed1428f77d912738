// Finds the first match of a row pattern from one start on. A search looks at each row once and keeps the ways in which
// the rows so far can be given to variables (its runs), as an NFA's simulation keeps its threads. Patterns here have no
// groups and no alternatives, and their rows follow each other without gaps; so a run is no more than the places where
// one variable's rows end and the next one's begin.
//
// The rules are Flink's (docs/design/0019-match-recognize.md):
//   - a greedy + * {n,m} takes a row whenever its condition holds; only a row that it cannot take goes to a later
//   variable
//   - after ? and reluctant quantifiers both ways are followed
//   - the match that is complete first is the match; of several at one row that of the run which stands first: a
//     reluctant variable prefers to leave the row to a later one, every other one to take it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "duck/match_spec.h"

namespace headrace {

class PatternSearch {
 public:
  struct Variable {
    int64_t min = 1, max = 1;
    bool reluctant = false;
  };
  /// `pattern` outlives the search. `by_row`: no condition reads earlier rows. Then runs that stand at the same point
  /// of the pattern have the same future, and only the first of them is kept: there are never more runs than points.
  PatternSearch(const std::vector<Variable>& pattern, bool by_row) : pattern_(&pattern), by_row_(by_row) { start(); }

  enum class State : uint8_t {
    ready,    ///< look() goes on with row(), as soon as it is there.
    asking,   ///< May the row go to variable()?
    matched,  ///< The rows up to row() are a match.
    failed    ///< There is none that begins here.
  };
  /// Rows [begin, end), counted from the start.
  struct Rows {
    uint32_t begin = 0, end = 0;
  };

  /// Starts anew, at row 0.
  void start();
  void look();
  void answer(bool holds);
  /// Row row() was taken away while it was looked at; what stands behind it is now row().
  void row_is_gone() { state_ = State::ready; }

  State state() const { return state_; }
  uint32_t row() const { return row_; }
  uint32_t variable() const { return static_cast<uint32_t>(ends_.size()) - 1; }
  /// The rows of a variable (none: of all): while asking, as if the row went to variable(); when matched, of the match.
  Rows rows_of(std::optional<size_t> variable) const;

 private:
  /// ends_[v]: behind the last row of variable v. The last one is the variable that may take more.
  using Ends = std::vector<uint32_t>;
  struct Found {
    Ends ends;
    bool complete = false;
  };

  uint32_t begin_of(size_t variable) const { return variable == 0 ? 0 : ends_[variable - 1]; }
  void ask_runs();
  bool ask();
  void finish_row();
  bool stands_with(const Ends& a, const Ends& b) const;

  const std::vector<Variable>* pattern_;
  bool by_row_;
  State state_ = State::ready;
  uint32_t row_ = 0;
  std::vector<Ends> runs_;
  std::vector<Found> found_;
  size_t run_ = 0;     ///< Which of runs_ is being asked about.
  size_t insert_ = 0;  ///< Where in found_ its next outcome belongs.
  Ends ends_;          ///< The run at hand, up to variable(); when matched, the match.
};

}  // namespace headrace
