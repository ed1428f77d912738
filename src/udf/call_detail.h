// What the quarantine keeps of a call that failed, beside the error: enough to make it again (`headrace repro`).
#pragma once

#include <string>

#include "udf/function.h"

namespace headrace {

/// {"function", "file", "hash", "rows": [the columns of a process function's table], "arguments": {name: value}} of
/// row `row`, in the order of call_types(). What a function keeps is among them as it was before the call: the states
/// of an accumulator, a key's state and timers. "arguments" is null when they are larger than 1 MiB.
std::string call_detail(const FunctionDescription& function, const DataChunk& arguments, int64_t row);

}  // namespace headrace
