// Which views and sinks keep state without bound.
#pragma once

#include <vector>

#include "base/error.h"
#include "plan/nodes.h"

namespace headrace {

/// One warning (unbounded_state) for each view and sink over an operator whose state grows as long as rows come: a
/// GROUP BY, DISTINCT, Top-N, join or set operation without a window or a bound on time, over a source that does not
/// end. A source with a primary key holds as many rows as it has keys, and is no stream to grow with.
std::vector<Error> unbounded_state(const Plan& plan);

}  // namespace headrace
