// A piece of SQL as DuckDB gets it, with its way back to the file: every error can point at what the user wrote.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace headrace {

struct SqlText {
  /// From byte `byte` of the text on, up to the next place: the file's line and column.
  struct Place {
    size_t byte = 0;
    int32_t line = 0;
    int32_t column = 0;
    bool verbatim = false;  ///< Copied from the file: later bytes lie as far behind there. Else all of it stands for
                            ///< that one place.
  };

  std::string text;
  Location at;
  std::vector<Place> places = {};  ///< Ascending; empty for a text that stands in no file.

  /// The place in the file of a byte of `text`, counted from 0.
  Location locate(size_t byte) const;
};

}  // namespace headrace
