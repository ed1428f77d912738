// Columns to bytes: NDJSON, CSV and Debezium's change events as the file sink, the HTTP door and the command line write
// them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "data/batch.h"

namespace headrace {

enum class Changes : uint8_t { append, upsert, retract };

struct EncoderConfig {
  std::string format = "ndjson";  ///< ndjson | csv | debezium-json
  SchemaRef schema;
  Changes changes = Changes::append;  ///< upsert, retract: a first field with the operation.
  /// retract: the columns that name a row. A row taken back and, right behind it, one added of the same key are an
  /// update.
  std::vector<size_t> key;
  std::string op_column = "op";
  bool header = true;  ///< csv
  char delimiter = ',';
};

/// Appends records to a text. One thread.
class Encoder {
 public:
  virtual ~Encoder() = default;
  /// What stands before the first record (a csv header) or "".
  virtual std::string prologue() const = 0;
  virtual void encode(const Batch& batch, std::string& out) = 0;
};

/// Errors: bad_config (unknown format, a column named like op_column).
Result<std::unique_ptr<Encoder>> make_encoder(const EncoderConfig& config);

/// What each row does: "+I" or "-D", and "-U" and "+U" where one is taken back and, right behind it, one added of the
/// same `key` (columns; none: no updates).
std::vector<std::string_view> operations_of(const Batch& batch, const std::vector<size_t>& key);

/// Appends row `row` of column `column` as a JSON value: numbers by value, DECIMAL with its scale, timestamps as
/// "2013-01-01 05:15:00[.ffffff]" (instants with "+00:00"), NULL as null, NaN and infinities as strings.
void append_json_value(std::string& out, const Vector& column, int64_t row);

}  // namespace headrace
