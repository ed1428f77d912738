// The engine's types as Iceberg's.
#pragma once

#include <string>

#include "base/result.h"
#include "duck/chunk.h"

namespace headrace {

struct IcebergType {
  std::string
      json;  ///< As python/headrace/lake/tables.py reads it: "long", {"list": T}, {"map": [K, V]}, {"struct": [...]}.
  LogicalType stored;  ///< What the Parquet files hold.
};

/// Errors: bad_config for a type that Iceberg has no counterpart of; the remedy names a cast.
Result<IcebergType> iceberg_type(const std::string& column, const LogicalType& type);

}  // namespace headrace
