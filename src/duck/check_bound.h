// Private to src/duck: what DuckDB lets pass when it binds a query, and would refuse, or read wrongly, when it runs.
#pragma once

#include "duck/chunk.h"

namespace duckdb {
class ClientContext;
class LogicalOperator;
}  // namespace duckdb

namespace headrace {

/// Refuses row ids: rows of a stream have none. Before column bindings are resolved. Throws a BinderException.
void refuse_row_ids(duckdb::LogicalOperator& plan);

/// Refuses expressions that cannot begin to run, such as one with a constant that is no regular expression. Throws a
/// BinderException.
void refuse_what_cannot_run(duckdb::LogicalOperator& plan, duckdb::ClientContext& context);

}  // namespace headrace
