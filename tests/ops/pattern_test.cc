// The search for a pattern against one that tries every way, depth first, on random patterns and rows.
#include "ops/pattern.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

namespace headrace {
namespace {

using Variable = PatternSearch::Variable;
using Ends = std::vector<uint32_t>;

/// Whether row `row` may go to variable `variable` that has `taken` rows.
using Condition = std::function<bool(size_t row, size_t variable, int64_t taken)>;

/// The first row of the match's end and where its variables end, or nothing.
std::optional<Ends> by_search(const std::vector<Variable>& pattern, size_t rows, const Condition& condition,
                              bool by_row) {
  PatternSearch search(pattern, by_row);
  while (search.state() == PatternSearch::State::ready && search.row() < rows) {
    search.look();
    while (search.state() == PatternSearch::State::asking) {
      const PatternSearch::Rows taken = search.rows_of(search.variable());
      search.answer(condition(search.row(), search.variable(), int64_t{taken.end} - taken.begin - 1));
    }
  }
  if (search.state() != PatternSearch::State::matched) return std::nullopt;
  Ends out;
  for (size_t v = 0; v < pattern.size(); ++v) out.push_back(search.rows_of(v).end);
  return out;
}

class EveryWay {
 public:
  EveryWay(const std::vector<Variable>& pattern, size_t rows, const Condition& condition)
      : pattern_(pattern), rows_(rows), condition_(condition) {}

  std::optional<Ends> first() {
    follow(0, 0, 0, {0});
    return best_;
  }

 private:
  struct Way {
    size_t variable;
    int64_t taken;
  };

  bool greedy(const Variable& v) const { return !v.reluctant && v.min != v.max && !(v.min == 0 && v.max == 1); }

  /// The variables that the row can go to, the preferred one first.
  std::vector<Way> ways(size_t row, size_t variable, int64_t taken) const {
    const Variable& v = pattern_[variable];
    const bool last = variable + 1 == pattern_.size();
    if (taken == v.max) return last ? std::vector<Way>{} : ways(row, variable + 1, 0);
    const bool holds = condition_(row, variable, taken);
    std::vector<Way> out;
    if (taken >= v.min && !last && !(holds && greedy(v))) out = ways(row, variable + 1, 0);
    if (holds) out.insert(v.reluctant ? out.end() : out.begin(), {variable, taken + 1});
    return out;
  }

  void follow(size_t row, size_t variable, int64_t taken, const Ends& ends) {
    if (row == rows_ || (best_ && best_->back() <= row)) return;
    for (const Way& way : ways(row, variable, taken)) {
      Ends longer = ends;
      while (longer.size() <= way.variable) longer.push_back(static_cast<uint32_t>(row));
      longer.back() = static_cast<uint32_t>(row + 1);
      const bool complete = way.variable + 1 == pattern_.size() && way.taken >= pattern_.back().min;
      if (!complete)
        follow(row + 1, way.variable, way.taken, longer);
      else if (!best_ || longer.back() < best_->back())
        best_ = longer;
    }
  }

  const std::vector<Variable>& pattern_;
  size_t rows_;
  const Condition& condition_;
  std::optional<Ends> best_;
};

std::vector<Variable> random_pattern(std::mt19937& random) {
  const std::vector<Variable> kinds{{1, 1, false},
                                    {0, 1, false},
                                    {0, unbounded_rows, false},
                                    {0, unbounded_rows, true},
                                    {1, unbounded_rows, false},
                                    {1, unbounded_rows, true},
                                    {2, 2, false},
                                    {1, 3, false},
                                    {0, 2, true},
                                    {2, unbounded_rows, false}};
  std::vector<Variable> out(1 + random() % 3);
  for (Variable& variable : out) variable = kinds[random() % kinds.size()];
  out.push_back(
      std::vector<Variable>{{1, 1, false}, {2, 2, false}, {1, unbounded_rows, true}, {2, 3, true}}[random() % 4]);
  return out;
}

TEST(PatternSearch, FindsWhatTryingEveryWayFinds) {
  int64_t found = 0;
  for (uint32_t seed = 0; seed < 20'000; ++seed) {
    std::mt19937 random(seed);
    const std::vector<Variable> pattern = random_pattern(random);
    const size_t rows = 1 + random() % 9;
    const bool by_row = random() % 2 == 0;
    const uint32_t odds = 2 + random() % 3, salt = random();
    // A fixed coin for each question: for (row, variable), or for (row, variable, rows taken).
    Condition condition = [&](size_t row, size_t variable, int64_t taken) {
      std::mt19937 coin(salt + static_cast<uint32_t>(row * 101 + variable * 7 + (by_row ? 0 : taken * 1009)));
      return coin() % odds != 0;
    };
    const std::optional<Ends> expected = EveryWay(pattern, rows, condition).first();
    ASSERT_EQ(by_search(pattern, rows, condition, by_row), expected) << "seed " << seed;
    found += expected.has_value();
  }
  EXPECT_GT(found, 5'000);
}

/// Without conditions over several rows there are never more runs than points of the pattern: a long search stays fast.
TEST(PatternSearch, KeepsFewRunsWhereConditionsReadOneRow) {
  const std::vector<Variable> pattern{{0, unbounded_rows, true}, {0, unbounded_rows, true}, {0, unbounded_rows, true},
                                      {0, unbounded_rows, true}, {0, unbounded_rows, true}, {1, 1, false}};
  int64_t asked = 0;
  const Condition condition = [&](size_t, size_t variable, int64_t) {
    ++asked;
    return variable < 5;
  };
  EXPECT_EQ(by_search(pattern, 2'000, condition, true), std::nullopt);
  EXPECT_LT(asked, 2'000 * 30);
}

/// A row that was taken away is as if it had never been there.
TEST(PatternSearch, GoesOnWithoutARowThatIsGone) {
  const std::vector<Variable> pattern{{1, 1, false}, {1, unbounded_rows, false}, {1, 1, false}};
  PatternSearch search(pattern, true);
  search.look();
  search.answer(true);
  search.look();
  ASSERT_EQ(search.state(), PatternSearch::State::asking);
  search.row_is_gone();
  EXPECT_EQ(search.row(), 1u);
  search.look();
  search.answer(true);
  search.look();
  search.answer(false);
  search.answer(true);
  ASSERT_EQ(search.state(), PatternSearch::State::matched);
  EXPECT_EQ(search.rows_of(1).begin, 1u);
  EXPECT_EQ(search.rows_of(1).end, 2u);
  EXPECT_EQ(search.rows_of(std::nullopt).end, 3u);
}

}  // namespace
}  // namespace headrace
