#include "plan/join_columns.h"

#include <numeric>

#include "duck/conjunction.h"

namespace headrace {

JoinKeys split_keys(const std::vector<BoundRelation::Condition>& conditions, size_t left_width, size_t right_width) {
  std::vector<size_t> beside(right_width);
  std::iota(beside.begin(), beside.end(), left_width);
  JoinKeys out;
  for (const BoundRelation::Condition& condition : conditions) {
    if (!is_equality(condition)) {
      out.rest.push_back(comparison({condition.left, condition.right.remap(beside), condition.comparison}));
      continue;
    }
    out.left.push_back(condition.left);
    out.right.push_back(condition.right);
    out.null_safe.push_back(condition.comparison == Comparison::not_distinct);
  }
  return out;
}

std::vector<size_t> put_beside(Output& out, const Output& right, size_t left_width, size_t right_width) {
  std::vector<size_t> places(left_width + right_width);
  std::iota(places.begin(), places.begin() + static_cast<long>(left_width), 0);
  std::iota(places.begin() + static_cast<long>(left_width), places.end(), out.columns.size());
  for (Column column : right.columns) {
    column.role = TimeRole::none;
    out.columns.push_back(std::move(column));
  }
  return places;
}

}  // namespace headrace
