// What marks a function of DuckDB's catalog as a user's.
#pragma once

#include <duckdb/function/scalar_function.hpp>

#include "duck/user_functions.h"

namespace headrace {

struct UserFunctionInfo final : duckdb::ScalarFunctionInfo {
  explicit UserFunctionInfo(ScalarFunctionBody body_) : body(std::move(body_)) {}
  const ScalarFunctionBody body;
};

}  // namespace headrace
