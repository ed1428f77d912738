// Undoing Content-Encoding: gzip, within a limit: a small body may unpack to a very large one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace headrace {

/// Errors: too_large (over `bytes_max`), bad_request (not gzip), truncated_input.
Result<std::string> gunzip(std::string_view bytes, int64_t bytes_max);

}  // namespace headrace
