// A golden test as text: directives separated by blank lines (docs/reference/slt.md).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace headrace {

struct SltStep {
  enum class Kind : uint8_t {
    functions,
    statement,
    feed,
    backlog,
    changes,
    query,
    late,
    quarantine,
    end
  } kind = Kind::statement;
  int32_t line = 0;
  std::string name;      ///< feed, backlog, changes, late: source or view; functions: a folder beside the file.
  int error_code = 0;    ///< statement error CODE
  bool ordered = false;  ///< query ordered
  std::string text;      ///< statement, query: the SQL.
  std::vector<std::string> lines;     ///< feed, backlog: the rows as written.
  std::vector<std::string> expected;  ///< What stands below ----.
};

/// Errors: syntax_error with the line.
Result<std::vector<SltStep>> parse_slt(const std::string& text, const std::string& file);

}  // namespace headrace
