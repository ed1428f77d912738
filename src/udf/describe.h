// Finds a project's functions by asking `python -m headrace.worker describe`.
#pragma once

#include <vector>

#include "udf/function.h"

namespace headrace {

/// Starts the interpreter once. Errors: function_load, with file and line where a file of the project is at fault.
Result<std::vector<FunctionDescription>> describe_functions(const FunctionHostOptions& options);

/// The environment that makes the interpreter find the headrace package.
std::vector<std::string> python_environment(const FunctionHostOptions& options);

}  // namespace headrace
