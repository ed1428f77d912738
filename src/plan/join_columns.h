// Private to src/plan: what every join does with its conditions and columns.
#pragma once

#include <vector>

#include "duck/bound_relation.h"
#include "plan/nodes.h"

namespace headrace {

/// The equalities between the sides, each over its own columns, and the other conditions over left then right columns.
struct JoinKeys {
  std::vector<Expr> left, right;
  std::vector<bool> null_safe;  ///< IS NOT DISTINCT FROM
  std::vector<Expr> rest;
};

/// The sides have `left_width` and `right_width` columns.
JoinKeys split_keys(const std::vector<BoundRelation::Condition>& conditions, size_t left_width, size_t right_width);

/// Adds the columns of `right`, which are no times there, to `out`, which has those of the left side. Gives where the
/// first `left_width` and `right_width` columns of the sides stand: key columns may have been added behind them.
std::vector<size_t> put_beside(Output& out, const Output& right, size_t left_width, size_t right_width);

}  // namespace headrace
