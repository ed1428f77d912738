// Users' functions in DuckDB's catalog: planning binds them, ad-hoc queries run them, too.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "duck/bound_relation.h"

namespace duckdb {
class ClientContext;
class DatabaseInstance;
}  // namespace duckdb

namespace headrace {

/// Runs a user's function on all rows of `arguments`, writing into `result`. Called from many threads.
using ScalarFunctionBody = std::function<Result<>(DataChunk& arguments, Vector& result)>;

struct ScalarFunctionSpec {
  std::string name;
  std::vector<LogicalType> arguments;
  LogicalType result;
  bool deterministic = true;
  ScalarFunctionBody body;
};

/// Runs a user's aggregate on groups: group i has the rows [ends[i - 1], ends[i]) of `values`.
using AggregateFunctionBody =
    std::function<Result<>(DataChunk& values, const std::vector<uint32_t>& ends, Vector& result)>;

struct AggregateFunctionSpec {
  std::string name;
  std::vector<LogicalType> arguments;
  std::vector<bool> takes_null;  ///< Per argument; a row with a NULL elsewhere is left out.
  LogicalType result;
  bool ordered = false;  ///< The order of a group's values matters.
  AggregateFunctionBody body;
};

/// A table function; the body gives a LIST of STRUCTs of the columns for each row of arguments.
struct TableFunctionSpec {
  std::string name;
  std::vector<LogicalType> arguments;
  std::vector<BoundColumn> columns;
  ScalarFunctionBody body;
};

/// A function over a whole relation, partitioned by `key`. It binds; only a pipeline can run it.
struct ProcessFunctionSpec {
  std::string name;
  std::vector<std::string> key;
  std::vector<BoundColumn> columns;
};

/// All functions of a project, to be registered in an instance.
struct SqlFunctions {
  std::vector<ScalarFunctionSpec> scalars;
  std::vector<AggregateFunctionSpec> aggregates;
  std::vector<TableFunctionSpec> tables;
  std::vector<ProcessFunctionSpec> processes;
};

/// Errors: duplicate_name, when SQL has a function of that name.
Result<> register_function(duckdb::ClientContext& context, const ScalarFunctionSpec& spec);
Result<> register_function(duckdb::ClientContext& context, const AggregateFunctionSpec& spec);
Result<> register_function(duckdb::ClientContext& context, const TableFunctionSpec& spec);
Result<> register_function(duckdb::ClientContext& context, const ProcessFunctionSpec& spec);

}  // namespace headrace
