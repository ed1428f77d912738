// Private to src/duck: how a bound window function carries its call to the walker.
#pragma once

#include <duckdb/function/function.hpp>

#include "duck/functions.h"
#include "duck/user_functions.h"

namespace headrace {

struct StreamingCallData final : duckdb::FunctionData {
  StreamingCall call;
  std::shared_ptr<const TableFunctionSpec> table;  ///< Of a user's table function: to run it in a query.

  duckdb::unique_ptr<duckdb::FunctionData> Copy() const override {
    auto copy = duckdb::make_uniq<StreamingCallData>();
    copy->call = call;
    copy->table = table;
    return copy;
  }
  bool Equals(const duckdb::FunctionData& other) const override { return this == &other; }
};

}  // namespace headrace
