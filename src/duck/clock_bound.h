// Reads `expression < now() - INTERVAL '1' DAY` off a bound condition: from when on it holds for a row, or until when.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "duck/expression.h"

namespace headrace {

/// A moment that follows from a row: `time` moved by `shift_us`, then rounded up to whole `granule_us` since 1970.
/// `until`: the condition holds as long as now() lies before it; else as soon as now() has reached it. NULL: never.
struct ClockBound {
  Expr time;  ///< TIMESTAMP or TIMESTAMP WITH TIME ZONE; without now()
  int64_t shift_us = 0;
  int64_t granule_us = 1;
  bool until = false;

  /// Where a row's time (microseconds since 1970, or an infinity) puts the moment. INT64_MIN and INT64_MAX: before and
  /// after all times.
  int64_t moment_us(int64_t time_us) const;
};

/// What the condition says of the clock, all of it to hold; none when it is not of the form: a comparison of an
/// expression without now() with now() or a kin of it, which may be moved by constant intervals and rounded down to
/// days, hours, minutes or seconds; or of the distance between both with a constant interval. Errors: unsupported_sql
/// for intervals of months.
Result<std::vector<ClockBound>> clock_bounds(const Expr& condition);

}  // namespace headrace
