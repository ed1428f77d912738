// Calling a function so that the rows which make it fail are found and cost nobody else their result.
#pragma once

#include <functional>

#include "udf/function.h"

namespace headrace {

/// True for what a function itself does wrong, as opposed to the machine it runs on.
bool is_failure_of_function(const Error& error);

/// Calls `function` on all rows. Where it fails, its rows are called in halves, down to the rows that make it fail:
/// these give NULL, and `on_failed` hears of them unless the function says on_error = "null". Errors: what no row is to
/// blame for, and every failure when the function says on_error = "fail".
Result<> call_each(const UserFunction& function, DataChunk& arguments, Vector& result,
                   const std::function<void(size_t row, const Error& reason)>& on_failed);

/// Calls an aggregate over lists: group i has the rows [ends[i - 1], ends[i]) of `values`, in any order; `distinct`
/// keeps one of equal rows. Writes one value per group.
Result<> call_on_lists(const UserFunction& function, DataChunk& values, std::vector<uint32_t> ends, bool distinct,
                       Vector& result, const std::function<void(size_t row, const Error& reason)>& on_failed);

}  // namespace headrace
