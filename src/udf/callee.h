// What answers the calls of one function: a worker process, or the engine itself.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "duck/chunk.h"

namespace headrace {

/// One thread at a time.
class Callee {
 public:
  virtual ~Callee() = default;

  /// Runs the function on rows [first, first + rows) of `arguments`; writes them to the same rows of `result`. Errors:
  /// as FunctionHost::call.
  virtual Result<> call(DataChunk& arguments, int64_t first, int64_t rows, Vector& result) = 0;

  struct RowFailure {
    int64_t row = 0;
    Error error;
  };
  /// Calls the function with each row by itself, throws the results away, and gives the first row that fails. Errors:
  /// those that no row is to blame for.
  virtual Result<std::optional<RowFailure>> first_failure(DataChunk& arguments, int64_t first, int64_t rows) = 0;

  struct Counts {
    int64_t starts = 0, busy_us = 0, resident_bytes = 0;
    double leak_bytes_per_call = 0;  ///< Slope of its resident memory.
    int64_t back_us_max = 0;  ///< Longest time from noticing that a process had ended to the next one's being ready.
  };
  /// Safe from any thread, at any time.
  virtual Counts counts() const = 0;
  /// Members of a JSON object, "growing" (types of objects) and "gauges"; "" = it has told nothing yet. Safe from any
  /// thread, at any time.
  virtual std::string report() const = 0;
};

}  // namespace headrace
