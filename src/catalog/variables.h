// ${NAME} in a project's SQL: replaced by what the profile or the environment says. Private to src/catalog.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace headrace {

using FindVariable = std::function<std::optional<std::string>(const std::string& name)>;

struct Substituted {
  std::string text;
  std::vector<Error> errors;  ///< missing_variable, syntax_error (a ${ without its }), each with its place.
};

/// Replaces every ${NAME} of an SQL text but those in comments. Inside a '...' text, quotes of the value are doubled.
/// $${ stands for ${.
Substituted substitute_variables(std::string_view sql, const std::string& path, const FindVariable& find);

}  // namespace headrace
