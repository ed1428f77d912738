#include "ops/pattern.h"

#include <algorithm>

namespace headrace {

void PatternSearch::start() {
  row_ = 0;
  runs_.assign(1, Ends{0});
  state_ = State::ready;
}

void PatternSearch::look() {
  found_.clear();
  run_ = 0;
  ask_runs();
}

/// Goes through the runs, from run_ on, to the first that has a question.
void PatternSearch::ask_runs() {
  for (; run_ < runs_.size(); ++run_) {
    ends_ = runs_[run_];
    insert_ = found_.size();
    if (ask()) return;
  }
  finish_row();
}

/// Asks about the first variable, from the run's last one on, that has room for the row.
bool PatternSearch::ask() {
  while (row_ - begin_of(variable()) >= (*pattern_)[variable()].max) {
    if (ends_.size() == pattern_->size()) return false;
    ends_.push_back(row_);
  }
  ends_.back() = row_ + 1;
  state_ = State::asking;
  return true;
}

void PatternSearch::answer(bool holds) {
  const uint32_t at = variable();
  const Variable& asked = (*pattern_)[at];
  const int64_t taken = row_ - begin_of(at);
  if (holds) {
    const bool complete = ends_.size() == pattern_->size() && taken + 1 >= asked.min;
    found_.insert(found_.begin() + static_cast<std::ptrdiff_t>(insert_), {ends_, complete});
    if (!asked.reluctant) ++insert_;
  }
  const bool optional = asked.min == 0 && asked.max == 1;
  const bool greedy = !asked.reluctant && !optional && asked.min != asked.max;
  const bool may_leave = taken >= asked.min && !(holds && greedy) && ends_.size() < pattern_->size();
  if (may_leave) {
    ends_.back() = row_;
    ends_.push_back(row_);
    if (ask()) return;
  }
  ++run_;
  ask_runs();
}

/// Whether two runs have the same future, as long as conditions do not read which rows they took.
bool PatternSearch::stands_with(const Ends& a, const Ends& b) const {
  if (a.size() != b.size()) return false;
  const Variable& at = (*pattern_)[a.size() - 1];
  auto taken = [&](const Ends& ends) -> int64_t {
    const int64_t rows = ends.back() - (ends.size() > 1 ? ends[ends.size() - 2] : 0);
    return at.max == unbounded_rows ? std::min(rows, at.min) : rows;
  };
  return taken(a) == taken(b);
}

void PatternSearch::finish_row() {
  auto complete = std::find_if(found_.begin(), found_.end(), [](const Found& found) { return found.complete; });
  if (complete != found_.end()) {
    ends_ = std::move(complete->ends);
    state_ = State::matched;
    return;
  }
  runs_.clear();
  for (Found& found : found_) {
    const bool again = by_row_ && std::any_of(runs_.begin(), runs_.end(),
                                              [&](const Ends& run) { return stands_with(run, found.ends); });
    if (!again) runs_.push_back(std::move(found.ends));
  }
  ++row_;
  state_ = runs_.empty() ? State::failed : State::ready;
}

PatternSearch::Rows PatternSearch::rows_of(std::optional<size_t> variable) const {
  if (!variable) return {0, row_ + 1};
  if (*variable >= ends_.size()) return {};
  return {begin_of(*variable), ends_[*variable]};
}

}  // namespace headrace
