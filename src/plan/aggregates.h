// Private to src/plan: which kind of state an aggregate call needs.
#pragma once

#include "base/result.h"
#include "plan/nodes.h"

namespace headrace {

/// Chooses the aggregate's kind for an input of the given changelog. Errors: unsupported_sql.
Result<AggregateKind> aggregate_kind(const AggregateCall& call, Changelog input);
/// The same for a user's aggregate.
Result<AggregateKind> aggregate_kind(const AggregateCall& call, const FunctionDescription& function, Changelog input);

}  // namespace headrace
