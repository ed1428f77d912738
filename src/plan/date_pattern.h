// Patterns of dates: from Java's letters, which Flink uses, to the % codes of DuckDB's strftime and strptime.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace headrace {

/// "yyyy-MM-dd HH:mm" -> "%Y-%m-%d %H:%M". Errors: syntax_error for a letter without a counterpart.
Result<std::string> date_pattern(std::string_view pattern);

}  // namespace headrace
