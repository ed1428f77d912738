// What becomes of rows on which a node's expressions fail.
#pragma once

#include "expr/row_evaluator.h"
#include "plan/nodes.h"

namespace headrace {

/// on_error = 'null' is worked out where expressions are computed; rows that are reported go to the quarantine or, with
/// 'fail', end the run.
inline Failing failing_of(const NodeBase& node) {
  return node.on_error == OnError::null ? Failing::null : Failing::reported;
}

}  // namespace headrace
