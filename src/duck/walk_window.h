// Private to src/duck: the window functions and sort orders of a bound plan.
#pragma once

#include <duckdb/planner/bound_query_node.hpp>
#include <duckdb/planner/expression/bound_window_expression.hpp>

#include "duck/bound_relation.h"

namespace headrace {

std::vector<SortKey> sort_keys(const duckdb::vector<duckdb::BoundOrderByNode>& orders);

/// The distances of its frame are constants: fold_constants() has seen to it.
WindowCall window_call(const duckdb::BoundWindowExpression& bound);

}  // namespace headrace
