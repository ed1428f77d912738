// Type names, Flink's or DuckDB's, read off tokens into DuckDB's spelling.
#pragma once

#include <span>
#include <string>

#include "base/result.h"
#include "plan/token.h"

namespace headrace {

/// Reads the type that begins at tokens[at] and moves `at` behind it. A name that is not known passes as written:
/// DuckDB judges it. Errors: syntax_error (no type there, an unclosed bracket), unsupported_sql (MULTISET, RAW).
Result<std::string> read_type(std::span<const Token> tokens, size_t& at, const std::string& file);

}  // namespace headrace
