// Private to src/duck: constants of a bound plan that its reader wants to see as such.
#pragma once

#include <duckdb/planner/logical_operator.hpp>

namespace headrace {

/// Replaces by their values what is constant in window functions and in VALUES, and constant intervals anywhere:
/// `INTERVAL '5' SECOND` is bound to a function call, and bounds on time are read off the plan.
void fold_constants(duckdb::LogicalOperator& plan, duckdb::ClientContext& context);

}  // namespace headrace
