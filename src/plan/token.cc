#include "plan/token.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "base/text.h"

namespace headrace {
namespace {

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}
bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}
/// Letters of any script: every byte beyond ASCII counts as one.
bool is_letter(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool is_space(char c) {
  return std::isspace(static_cast<unsigned char>(c)) != 0;
}

class Tokenizer {
 public:
  Tokenizer(std::string_view text, const Location& at) : text_(text), file_(at.file) {
    if (at.line > 0) line_ = at.line;
    if (at.column > 0) column_ = at.column;
  }

  Tokens run() && {
    for (skip_space(); at_ < text_.size(); skip_space()) take();
    out_.tokens.push_back({TokenKind::end, text_.substr(text_.size()), line_, column_});
    return std::move(out_);
  }

 private:
  char peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  void fail(int32_t line, int32_t column, std::string message) {
    out_.errors.push_back(user_error(Code::syntax_error, std::move(message)).with_location({file_, line, column}));
  }

  /// Moves on by `bytes`, counting lines and characters.
  void advance(size_t bytes) {
    for (size_t stop = std::min(at_ + bytes, text_.size()); at_ < stop; ++at_) {
      if (text_[at_] == '\n') {
        ++line_;
        column_ = 1;
      } else if (!is_continuation(text_[at_])) {
        ++column_;
      }
    }
  }

  void skip_space() {
    for (;;) {
      if (at_ < text_.size() && is_space(peek()))
        advance(1);
      else if (peek() == '-' && peek(1) == '-')
        advance(std::min(text_.find('\n', at_), text_.size()) - at_);
      else if (peek() == '/' && peek(1) == '*')
        skip_block_comment();
      else
        return;
    }
  }

  void skip_block_comment() {
    int32_t line = line_, column = column_;
    int depth = 0;
    do {
      if (at_ >= text_.size()) return fail(line, column, "this comment never ends: */ is missing");
      if (peek() == '/' && peek(1) == '*')
        ++depth, advance(2);
      else if (peek() == '*' && peek(1) == '/')
        --depth, advance(2);
      else
        advance(1);
    } while (depth > 0);
  }

  void take() {
    char c = peek();
    if (c == '\'') return push(TokenKind::string, quoted_bytes(0, '\'', false));
    if (c == '"' || c == '`') return push(TokenKind::quoted, quoted_bytes(0, c, false));
    if (c == '$' && take_dollar_quoted()) return;
    bool prefixed = peek(1) == '\'' && std::string_view("eExXbB").find(c) != std::string_view::npos;
    if (prefixed) return push(TokenKind::string, quoted_bytes(1, '\'', c == 'e' || c == 'E'));
    if (is_letter(c)) return push(TokenKind::word, word_bytes());
    if (is_digit(c) || (c == '.' && is_digit(peek(1)))) return push(TokenKind::number, number_bytes());
    if ((c == ':' && peek(1) == ':') || (c == '=' && peek(1) == '>')) return push(TokenKind::op, 2);
    if (std::iscntrl(static_cast<unsigned char>(c)) != 0) {
      fail(line_, column_, "a control character stands here");
      return advance(1);
    }
    push(TokenKind::op, 1);
  }

  void push(TokenKind kind, size_t bytes) {
    out_.tokens.push_back({kind, text_.substr(at_, bytes), line_, column_});
    advance(bytes);
  }

  size_t word_bytes() const {
    size_t bytes = 1;
    while (is_letter(peek(bytes)) || is_digit(peek(bytes)) || peek(bytes) == '$') ++bytes;
    return bytes;
  }

  size_t number_bytes() const {
    size_t bytes = 0;
    auto digits = [&] {
      while (is_digit(peek(bytes)) || (bytes > 0 && peek(bytes) == '_' && is_digit(peek(bytes + 1)))) ++bytes;
    };
    if (peek() == '0' && (peek(1) == 'x' || peek(1) == 'X') &&
        std::isxdigit(static_cast<unsigned char>(peek(2))) != 0) {
      for (bytes = 2; std::isxdigit(static_cast<unsigned char>(peek(bytes))) != 0;) ++bytes;
      return bytes;
    }
    digits();
    if (peek(bytes) == '.') ++bytes, digits();
    if (peek(bytes) == 'e' || peek(bytes) == 'E') {
      size_t sign = peek(bytes + 1) == '+' || peek(bytes + 1) == '-' ? 1 : 0;
      if (is_digit(peek(bytes + 1 + sign))) bytes += 1 + sign, digits();
    }
    return bytes;
  }

  /// Bytes of a quoted token whose first quote stands `prefix` bytes ahead; a doubled quote is content.
  size_t quoted_bytes(size_t prefix, char quote, bool backslash) {
    size_t bytes = prefix + 1;
    for (; at_ + bytes < text_.size(); ++bytes) {
      if (backslash && peek(bytes) == '\\')
        ++bytes;
      else if (peek(bytes) == quote && peek(bytes + 1) == quote)
        ++bytes;
      else if (peek(bytes) == quote)
        return bytes + 1;
    }
    fail(line_, column_,
         quote == '\'' ? "this text never ends: ' is missing"
                       : std::string("this name never ends: ") + quote + " is missing");
    return text_.size() - at_;
  }

  /// $$text$$ and $tag$text$tag$; a parameter such as $1 or $name is none.
  bool take_dollar_quoted() {
    size_t tag = 1;
    while (is_letter(peek(tag)) || (tag > 1 && is_digit(peek(tag)))) ++tag;
    if (peek(tag) != '$') return false;
    std::string_view mark = text_.substr(at_, tag + 1);
    size_t close = text_.find(mark, at_ + mark.size());
    if (close == std::string_view::npos)
      fail(line_, column_, "this text never ends: " + std::string(mark) + " is missing");
    push(TokenKind::string, close == std::string_view::npos ? text_.size() - at_ : close + mark.size() - at_);
    return true;
  }

  std::string_view text_;
  std::string file_;
  size_t at_ = 0;
  int32_t line_ = 1, column_ = 1;
  Tokens out_;
};

/// Takes the quotes off and halves the doubled ones.
std::string unquote(std::string_view text) {
  char quote = text[0];
  std::string out;
  for (size_t i = 1; i + 1 < text.size(); ++i) {
    out += text[i];
    if (text[i] == quote) ++i;
  }
  return out;
}

std::string quote_with(std::string_view text, char quote) {
  std::string out(1, quote);
  for (char c : text) {
    if (c == quote) out += quote;
    out += c;
  }
  return out + quote;
}

}  // namespace

bool Token::is(std::string_view keyword) const {
  return kind == TokenKind::word && same_name(text, keyword);
}

std::string Token::value() const {
  bool in_quotes = kind == TokenKind::quoted || (kind == TokenKind::string && text[0] == '\'');
  return in_quotes ? unquote(text) : std::string(text);
}

Tokens tokenize(std::string_view text, const Location& at) {
  return Tokenizer(text, at).run();
}

std::string quote_text(std::string_view text) {
  return quote_with(text, '\'');
}
std::string quote_name(std::string_view name) {
  return quote_with(name, '"');
}

}  // namespace headrace
