// Finds a project's functions by asking the interpreter.
#pragma once

#include <vector>

#include "udf/function.h"
#include "udf/worker_parent.h"

namespace headrace {

/// As they are on the disk; `output` takes what the files print while they load. Errors: function_load, with file and
/// line where a file of the project is at fault; io_error (there is no such interpreter).
Result<std::vector<FunctionDescription>> describe_functions(WorkerParent& parent, int output);

}  // namespace headrace
