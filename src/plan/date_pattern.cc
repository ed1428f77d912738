#include "plan/date_pattern.h"

#include <array>
#include <cctype>

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

}  // namespace

Result<std::string> date_pattern(std::string_view pattern) {
  std::string out;
  for (size_t i = 0; i < pattern.size();) {
    char c = pattern[i];
    if (c == '\'') {  // 'T' is text, '' a quote.
      size_t close = pattern.find('\'', i + 1);
      if (close == std::string_view::npos) return user_error(Code::syntax_error, "a quote in the pattern never ends");
      if (close == i + 1) out += '\'';
      for (size_t j = i + 1; j < close; ++j) out += literal(pattern[j]);
      i = close + 1;
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
