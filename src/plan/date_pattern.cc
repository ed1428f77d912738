#include "plan/date_pattern.h"

#include <array>
#include <cctype>
#include <optional>

namespace headrace {
namespace {

struct Letters {
  std::string_view java, code;
};
constexpr std::array table{
    Letters{"yyyy", "%Y"}, Letters{"yy", "%y"},  Letters{"uuuu", "%Y"}, Letters{"MMMM", "%B"},   Letters{"MMM", "%b"},
    Letters{"MM", "%m"},   Letters{"M", "%-m"},  Letters{"dd", "%d"},   Letters{"d", "%-d"},     Letters{"HH", "%H"},
    Letters{"H", "%-H"},   Letters{"hh", "%I"},  Letters{"h", "%-I"},   Letters{"mm", "%M"},     Letters{"m", "%-M"},
    Letters{"ss", "%S"},   Letters{"s", "%-S"},  Letters{"SSS", "%g"},  Letters{"SSSSSS", "%f"}, Letters{"a", "%p"},
    Letters{"EEEE", "%A"}, Letters{"EEE", "%a"}, Letters{"EE", "%a"},   Letters{"E", "%a"},      Letters{"DDD", "%j"},
};

std::string literal(char c) {
  return c == '%' ? "%%" : std::string(1, c);
}

/// The text in quotes that begins at `at`, which is left behind it: 'T' is T, 'o''clock' has a quote in it, '' is one.
/// Nothing when it never ends.
std::optional<std::string> quoted_text(std::string_view pattern, size_t& at) {
  std::string text;
  for (++at; at < pattern.size(); ++at) {
    if (pattern[at] == '\'' && !pattern.substr(at + 1).starts_with('\'')) {
      ++at;
      return text.empty() ? "'" : text;
    }
    if (pattern[at] == '\'') ++at;
    text += literal(pattern[at]);
  }
  return std::nullopt;
}

}  // namespace

Result<std::string> date_pattern(std::string_view pattern) {
  std::string out;
  for (size_t i = 0; i < pattern.size();) {
    char c = pattern[i];
    if (c == '\'') {
      std::optional<std::string> text = quoted_text(pattern, i);
      if (!text) return user_error(Code::syntax_error, "a quote in the pattern never ends");
      out += *text;
      continue;
    }
    if (std::isalpha(static_cast<unsigned char>(c)) == 0) {
      out += literal(c);
      ++i;
      continue;
    }
    size_t run = std::min(pattern.find_first_not_of(c, i), pattern.size()) - i;
    std::string_view java = pattern.substr(i, run), code;
    for (const Letters& letters : table)
      if (letters.java == java) code = letters.code;
    if (code.empty())
      return user_error(Code::syntax_error, "the pattern's '" + std::string(java) + "' is not known")
          .with_remedy(
              "known: yyyy MM dd HH hh mm ss SSS a EEE and their short and long forms; text in quotes; or use "
              "strftime");
    out += code;
    i += run;
  }
  return out;
}

}  // namespace headrace
