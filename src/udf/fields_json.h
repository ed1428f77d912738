// Columns as python/headrace/column_types.py reads them.
#pragma once

#include <string>
#include <vector>

#include "data/schema.h"

namespace headrace {

/// [{"name", "type", ...}]
std::string fields_json(const std::vector<Field>& fields);

}  // namespace headrace
