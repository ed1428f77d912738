// Rewrites the typed plan into a cheaper one with the same answers. Certified engines get the plan before this.
#pragma once

#include "plan/nodes.h"

namespace headrace {

/// In this order: gives windows of an aggregation to the aggregation itself (slices), merges projections, drops
/// projections that change nothing, and lets every node deliver only the columns that are read. Nodes nobody reads any
/// more are removed.
Plan optimize(Plan plan);
/// Only removes nodes from which no view, sink or alert is reached.
Plan without_unread(Plan plan);

/// Lets every node deliver only the columns that the nodes above it read. Nobody reads the last node: all its columns
/// count, or none.
Plan narrowed(Plan plan, bool all_of_last);

}  // namespace headrace
