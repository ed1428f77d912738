// When a join may forget a row: bounds between the times of both sides, and what the watermark promises of them.
#pragma once

#include "duck/bound_relation.h"
#include "plan/nodes.h"

namespace headrace {

/// Reads the conditions of a join, each a comparison between the sides (left over left columns, right over right
/// columns), and says when rows of each side can meet no partner any more. Sets expiry and promise of `left` and
/// `right`. A row that comes behind the promise is late.
void bound_join(const std::vector<BoundRelation::Condition>& conditions, const Output& left_input,
                const Output& right_input, JoinSide& left, JoinSide& right);

}  // namespace headrace
