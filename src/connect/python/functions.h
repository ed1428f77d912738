// Private: the user's function that a source or sink of the connector `python` names.
#pragma once

#include "connect/spec.h"
#include "udf/function.h"

namespace headrace {

/// Errors: bad_config, unknown_function.
Result<UserFunction> find_connector_function(FunctionHost* functions, FunctionKind kind, const std::string& name);

/// Calls a function on one row of VARCHAR arguments; `result` has room for one row.
Result<> call_once(const UserFunction& function, const std::vector<duckdb::Value>& arguments, Vector& result);

}  // namespace headrace
