// How much memory this process may use.
#pragma once

#include <cstdint>

namespace headrace {

/// The machine's memory, or less where the process's control group (version 2) has a limit.
int64_t memory_limit_bytes();

}  // namespace headrace
