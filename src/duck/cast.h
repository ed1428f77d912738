// Casts of single texts by DuckDB's own rules: the slow road for types and spellings that the codecs do not read
// themselves.
#pragma once

#include <string>
#include <string_view>

#include "duck/chunk.h"

namespace headrace {

/// Writes `text`, cast to the type of `column`, into row `row`. False when DuckDB refuses the text; the row is then
/// unchanged.
bool cast_text(std::string_view text, Vector& column, int64_t row);

/// Row `row` of `column` as DuckDB prints it.
std::string value_text(const Vector& column, int64_t row);

}  // namespace headrace
