// The layout of a table that keeps whole rows, each once.
#pragma once

#include <string>

#include "plan/nodes.h"
#include "state/table.h"

namespace headrace {

/// Keyed by all columns of `output`, which give it their names; `plain_bytes` beside them.
inline TableSpec row_table(std::string name, const Output& output, size_t plain_bytes) {
  TableSpec out;
  out.name = std::move(name);
  for (const Column& column : output.columns) {
    out.key.push_back(column.type);
    out.names.push_back(column.name);
  }
  out.plain_bytes = plain_bytes;
  return out;
}

}  // namespace headrace
