// Files that a sink would write although something else of the project owns them.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "plan/statement.h"

namespace headrace {

/// One error (bad_config, at the sink) for each sink of connector 'file' whose file a source reads or an earlier sink
/// writes: the sink begins by writing it anew. Relative paths start at `project_directory`; nothing is opened.
std::vector<Error> file_conflicts(const std::string& project_directory, const std::vector<Statement>& statements);

}  // namespace headrace
