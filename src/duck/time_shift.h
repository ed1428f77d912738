// Reads `column + INTERVAL` off a bound expression: what joins with bounds on time are made of.
#pragma once

#include <optional>

#include "duck/expression.h"

namespace headrace {

/// A timestamp column moved by a fixed length, in milliseconds; a part of a millisecond counts in both directions.
struct ShiftedColumn {
  size_t column = 0;
  int64_t shift_low_ms = 0, shift_high_ms = 0;
};

/// The expression as such, if it is one: a column, a column plus or minus a constant interval without months, or a cast
/// between timestamps of it.
std::optional<ShiftedColumn> as_shifted_column(const Expr& expression);

}  // namespace headrace
