// Ad-hoc queries: a second DuckDB instance with its own memory limit, shut off from files and network, that reads the
// tables it is given for one query and nothing else.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "duck/chunk.h"
#include "duck/user_functions.h"

namespace headrace {

/// A table that queries may read: immutable blocks of columns. Read by one thread at a time.
class AdhocTable {
 public:
  virtual ~AdhocTable() = default;
  virtual const std::vector<std::string>& names() const = 0;
  virtual const duckdb::vector<LogicalType>& types() const = 0;
  virtual int64_t rows() const = 0;
  virtual size_t blocks() const = 0;
  /// Writes columns `columns` of a block into `out`, which is initialised with their types.
  virtual void scan(size_t block, const std::vector<size_t>& columns, DataChunk& out) const = 0;
};

/// What one query may see. Names come as written.
struct AdhocTables {
  /// nullptr = no such table.
  std::function<std::shared_ptr<const AdhocTable>(const std::string& name)> table;
  /// The Parquet files of lake.NAME. Not set: there is no lake.
  std::function<Result<std::vector<std::string>>(const std::string& name)> lake_files;
  /// Every name, for the remedy of an unknown one.
  std::vector<std::string> names;
};

using AdhocValue = std::variant<std::monostate, bool, int64_t, double, std::string>;

struct AdhocQuery {
  std::string sql;
  std::vector<AdhocValue> parameters;  ///< For ? or $1, $2 ...
  int64_t timeout_ms = 0;
  int64_t rows_max = 0;
  int64_t bytes_max = 0;  ///< Of the result in memory.
};

struct AdhocResult {
  std::vector<std::string> names;
  duckdb::vector<LogicalType> types;
  std::vector<std::unique_ptr<DataChunk>> chunks;  ///< Flat vectors.
  int64_t rows = 0;
};

struct AdhocOptions {
  int64_t memory_bytes = 1LL << 30;
  std::string temporary_directory;  ///< "" = nothing is spilled.
  SqlFunctions functions;           ///< The users'.
};

/// Safe from any thread; each query runs in the thread that asks.
class AdhocDatabase {
 public:
  static Result<std::unique_ptr<AdhocDatabase>> open(const AdhocOptions& options);
  virtual ~AdhocDatabase() = default;

  /// Runs one SELECT. Errors: syntax_error, unknown_relation, unknown_column, bind_error (with line and column),
  /// query_failed (run time, time-out, too many rows, out of memory).
  virtual Result<AdhocResult> run(const AdhocQuery& query, const AdhocTables& tables) = 0;
};

}  // namespace headrace
