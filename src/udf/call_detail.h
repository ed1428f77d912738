// What the quarantine keeps of a call that failed, beside the error: enough to make it again (`headrace repro`).
#pragma once

#include <string>

#include "udf/function.h"

namespace headrace {

/// {"function", "file", "hash", "arguments": {name: value}} of row `row`.
std::string call_detail(const FunctionDescription& function, const DataChunk& arguments, int64_t row);

}  // namespace headrace
