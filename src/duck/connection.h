// Private to src/duck: connections with the settings that make expressions mean what docs/reference/sql.md says.
#pragma once

#include <duckdb.hpp>

#include "duck/evaluator.h"

namespace headrace {

/// Time zone UTC, division by zero NULL, NULLs last. Throws.
void set_values(duckdb::Connection& connection);

/// A connection with an open transaction, which executors need for some functions.
class ConnectionContext final : public EvaluationContext {
 public:
  explicit ConnectionContext(duckdb::DuckDB& database);
  duckdb::Connection connection;
};

}  // namespace headrace
