// A project's functions under the names by which SQL calls them.
#pragma once

#include <map>
#include <string>

#include "duck/user_functions.h"
#include "udf/function.h"

namespace headrace {

/// Keys in lower case.
using UserFunctions = std::map<std::string, UserFunction>;

UserFunctions functions_by_name(FunctionHost& host);
/// What DuckDB is told of them. The host outlives it.
SqlFunctions sql_functions(FunctionHost& host);

}  // namespace headrace
