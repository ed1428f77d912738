// Parquet files through DuckDB's reader and writer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "duck/chunk.h"

namespace headrace {

struct ParquetColumn {
  std::string name;
  LogicalType type;
};

/// Reads the rows of one file in their order.
class ParquetReader {
 public:
  /// Opens `path` at row `first_row` and gives `columns`, found by name without regard to case and cast where nothing
  /// is lost. Errors: truncated_input when the file is damaged or ends in the middle; bad_config when a column is
  /// missing or of another type.
  static Result<std::unique_ptr<ParquetReader>> open(const std::string& path, const std::vector<ParquetColumn>& columns,
                                                     int64_t first_row);
  virtual ~ParquetReader() = default;
  /// The next rows, at most rows_per_batch; none at the end.
  virtual Result<std::unique_ptr<DataChunk>> next() = 0;
};

/// The columns of a file. Errors: truncated_input.
Result<std::vector<ParquetColumn>> parquet_columns(const std::string& path);

/// Errors: bad_config when a file cannot hold every value of a column as it is.
Result<> check_parquet_holds(const ParquetColumn& column);

/// Rows on their way into a file: kept in DuckDB's memory until they are written.
class ParquetWriter {
 public:
  static Result<std::unique_ptr<ParquetWriter>> make(const std::vector<ParquetColumn>& columns);
  virtual ~ParquetWriter() = default;
  virtual Result<> append(DataChunk& rows) = 0;
  virtual int64_t rows() const = 0;
  /// Writes all rows to `path` and forgets them. Errors: io_error, disk_full; the rows are then still there.
  virtual Result<> write(const std::string& path) = 0;
};

/// Writes the rows of `parts`, in order, to one file. Errors: io_error, disk_full.
Result<> join_parquet(const std::vector<std::string>& parts, const std::string& path);

}  // namespace headrace
