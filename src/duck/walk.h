// Private to src/duck: turns a bound logical plan into BoundRelations.
#pragma once

#include <duckdb/common/enums/expression_type.hpp>
#include <memory>

#include "base/result.h"
#include "duck/bound_relation.h"

namespace duckdb {
class BoundAggregateExpression;
class LogicalOperator;
}  // namespace duckdb

namespace headrace {

/// `plan` has its column bindings resolved to positions.
std::unique_ptr<BoundRelation> walk_plan(const duckdb::LogicalOperator& plan);

AggregateCall call_of(const duckdb::BoundAggregateExpression& bound);
Comparison comparison_of(duckdb::ExpressionType type);

}  // namespace headrace
