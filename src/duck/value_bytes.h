// Values of nested types as bytes: how a row holds a list, a map or a struct. The layout is our own, and documented in
// docs/reference/state.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "duck/chunk.h"

namespace headrace {

/// Row `row` of `column` as bytes from which value_from_bytes makes it again.
std::string value_bytes(const Vector& column, size_t row);

/// Writes a value into row `row` of a flat vector of the type it had. Lists are appended to what the vector's lists
/// hold. Throws duckdb::SerializationException when the bytes are not such a value.
void value_from_bytes(std::string_view bytes, Vector& out, size_t row);

/// True when two values' bytes mean equal values: 0.0 and -0.0, or 30 days and a month, have different ones.
bool same_value(const LogicalType& type, std::string_view a, std::string_view b);

}  // namespace headrace
