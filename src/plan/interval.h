// INTERVAL literals in every spelling: '10' SECOND, 10 SECOND, '10 seconds', '1 12:00' DAY TO MINUTE, '1' DAY(3).
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "plan/token.h"

namespace headrace {

struct IntervalText {
  int64_t months = 0;
  int64_t us = 0;

  /// "14 months 90000000 microseconds": the content of an INTERVAL '...' for DuckDB.
  std::string duckdb_text() const;
};

/// Reads the literal whose word INTERVAL stands at tokens[at] and moves `at` behind it, also when its value is wrong.
/// Errors: syntax_error.
Result<IntervalText> read_interval(std::span<const Token> tokens, size_t& at, const std::string& file);

}  // namespace headrace
