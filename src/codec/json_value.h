// One JSON value into one cell of a flat vector. What is read how is decided once per column; a value that does not fit
// says why.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "codec/scalar_text.h"
#include "data/schema.h"

namespace headrace {

/// Why a value was refused.
struct ValueFault {
  Code code = Code::malformed_record;
  std::string reason;
};

/// strict: a value is written as its type is. loose: a number or truth value may stand in quotes, and 0 and 1 are truth
/// values (tools that read MySQL's log write them so).
enum class JsonScalars : uint8_t { strict, loose };

/// The way to read one column (or one part of a nested one).
struct JsonColumn {
  enum class Shape : uint8_t { scalar, list, structure, map };

  std::string name;
  LogicalType type;
  Shape shape = Shape::scalar;
  JsonScalars scalars = JsonScalars::strict;
  ScalarType scalar;
  std::vector<JsonColumn> parts;  ///< list: the element; structure: its fields; map: key and value.

  JsonColumn(std::string name, const LogicalType& type, JsonScalars scalars);
};

/// True when the JSON decoder can fill a column of that type.
bool json_holds(const LogicalType& type);

/// Reads `value` into row `row` of `vector`. False: `fault` says why, and the cell is undefined.
bool read_json_value(const JsonColumn& column, simdjson::ondemand::value value, Vector& vector, int64_t row,
                     ValueFault& fault);
bool is_json_number(std::string_view text);
/// False when the token of a value that nobody reads cannot be JSON. Containers are not looked into.
bool plausible_scalar(std::string_view token);
/// Makes the cell NULL.
void set_null(Vector& vector, int64_t row);
/// Makes a cell that may have become NULL valid again.
void set_valid(Vector& vector, int64_t row);
/// At most 80 characters of `text`, without cutting a character.
std::string shortened(std::string_view text);

}  // namespace headrace
