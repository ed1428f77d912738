// The words of a syntax error: what was expected, what stood there, and the nearest keyword.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "plan/token.h"

namespace headrace {

/// "'=>'", "'SELEC'" or "the end of the text".
std::string describe(const Token& token);

/// "expected X, found Y", at the token.
Error expected(const std::string& what, const Token& found, const std::string& file);

/// The same for a keyword, with "did you mean SELECT?" where what stands there is near one of `keywords`.
Error expected_one_of(const std::vector<std::string>& keywords, const Token& found, const std::string& file);

/// A syntax error at the token.
Error syntax_error(std::string message, const Token& token, const std::string& file);

}  // namespace headrace
