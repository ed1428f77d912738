// Rows into Parquet files with Iceberg's field ids, and the statistics that a table's manifest wants: DuckDB's own
// writer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "duck/chunk.h"

namespace headrace {

/// A field's number in the table's schema, and those of what lies in it: a struct's fields, "element", "key" and
/// "value".
struct ParquetFieldId {
  std::string name;
  int32_t id = 0;
  std::vector<ParquetFieldId> children;
};

struct ParquetColumn {
  std::string name;
  LogicalType type;    ///< Of the rows given to append().
  LogicalType stored;  ///< What the file holds; the values are cast.
  ParquetFieldId field;
};

/// One column (or field of a struct) of a file. Minimum and maximum as DuckDB prints them, where they can be relied on.
struct ParquetColumnStatistics {
  int32_t field_id = 0;
  int64_t bytes = 0, values = 0, nulls = 0;
  std::optional<std::string> minimum, maximum;
};

struct ParquetFile {
  std::string path;
  int64_t rows = 0, bytes = 0;
  std::vector<duckdb::Value> part;  ///< The values of the expressions that the rows were parted by.
  std::vector<ParquetColumnStatistics> columns;
};

/// Collects rows and writes them out, file by file. One thread at a time.
class ParquetWriter {
 public:
  /// `part_by`: SQL expressions over the columns c0, c1, ... in the order of `columns`; rows that differ in them go to
  /// different files.
  static Result<std::unique_ptr<ParquetWriter>> make(std::vector<ParquetColumn> columns,
                                                     std::vector<std::string> part_by);
  virtual ~ParquetWriter() = default;

  /// Copies the rows.
  virtual void append(const DataChunk& rows) = 0;
  virtual int64_t rows() const = 0;
  virtual int64_t bytes() const = 0;
  /// Writes the collected rows, durably, to path_of(0), path_of(1), ...: one file per part, in the order of the parts'
  /// values. No rows, no file. Forgets the rows. Errors: io_error, disk_full (later), bad_config (more than parts_max
  /// parts).
  virtual Result<std::vector<ParquetFile>> write(const std::function<std::string(size_t)>& path_of) = 0;

  static constexpr size_t parts_max = 1'000;
};

}  // namespace headrace
