// Private to src/plan: how far a window function looks.
#pragma once

#include <optional>

#include "base/result.h"
#include "plan/nodes.h"

namespace headrace {

/// What must be kept of the rows before, for the results of the rows that come; nullopt when the function looks ahead.
struct Reach {
  OverNode::Keeps keeps = OverNode::Keeps::all;
  int64_t kept = 0;
};
std::optional<Reach> reach_of(const WindowCall& call);

/// The state in which an aggregate is carried on from row to row; nullopt when its rows must be kept.
std::optional<AggregateKind> total_of(const WindowCall& call);

/// Refuses what cannot be computed over columns. Errors: unsupported_sql.
Result<> check_window_call(const WindowCall& call);

}  // namespace headrace
