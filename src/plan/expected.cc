#include "plan/expected.h"

#include "base/text.h"

namespace headrace {

std::string describe(const Token& token) {
  if (token.kind == TokenKind::end) return "the end of the text";
  constexpr size_t shown_max = 40;
  if (token.text.size() <= shown_max) return quote_text(token.text);
  size_t cut = shown_max;
  while (cut > 0 && (static_cast<unsigned char>(token.text[cut]) & 0xC0) == 0x80) --cut;  // Not inside a character.
  return quote_text(std::string(token.text.substr(0, cut)) + "...");
}

Error syntax_error(std::string message, const Token& token, const std::string& file) {
  return user_error(Code::syntax_error, std::move(message)).with_location({file, token.line, token.column});
}

Error expected(const std::string& what, const Token& found, const std::string& file) {
  return syntax_error("expected " + what + ", found " + describe(found), found, file);
}

Error expected_one_of(const std::vector<std::string>& keywords, const Token& found, const std::string& file) {
  std::string list;
  for (size_t i = 0; i < keywords.size(); ++i)
    list += (i == 0 ? "" : i + 1 == keywords.size() ? " or " : ", ") + keywords[i];
  Error error = expected(list, found, file);
  std::string nearest = found.kind == TokenKind::word ? nearest_name(found.text, keywords) : "";
  if (!nearest.empty()) error.remedy = "did you mean " + nearest + "?";
  return error;
}

}  // namespace headrace
