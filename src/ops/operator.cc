#include "ops/operator.h"

#include "plan/nodes.h"

namespace headrace {

NodeCounters& NodeCounters::operator+=(const NodeCounters& other) {
  rows_in += other.rows_in;
  passed += other.passed;
  filtered += other.filtered;
  late += other.late;
  quarantined += other.quarantined;
  held += other.held;
  rows_out += other.rows_out;
  return *this;
}

const Output& OperatorContext::output_of(const Input& input) const {
  return base_of(plan[input.node]).output;
}

}  // namespace headrace
