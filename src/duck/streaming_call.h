// Private to src/duck: how a bound window function carries its call to the walker.
#pragma once

#include <duckdb/function/function.hpp>

#include "duck/functions.h"

namespace headrace {

struct StreamingCallData final : duckdb::FunctionData {
  StreamingCall call;

  duckdb::unique_ptr<duckdb::FunctionData> Copy() const override {
    auto copy = duckdb::make_uniq<StreamingCallData>();
    copy->call = call;
    return copy;
  }
  bool Equals(const duckdb::FunctionData& other) const override { return this == &other; }
};

}  // namespace headrace
