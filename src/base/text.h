// Names as people write them: compared without regard to case, and guessed when mistyped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace headrace {

/// ASCII letters in lower case.
std::string lower_case(std::string_view text);
/// Equal without regard to ASCII case.
bool same_name(std::string_view a, std::string_view b);
/// The name among `known` that is nearest to `name` by edit distance, or "" when none is near.
std::string nearest_name(std::string_view name, const std::vector<std::string>& known);
/// The names of a list such as "a, b": separated by commas, without the spaces around them.
std::vector<std::string> split_names(std::string_view list);

}  // namespace headrace
