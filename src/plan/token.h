// Tokens of our SQL. Whitespace and comments (-- to the end of the line, /* */ nested) lie between tokens and are kept
// in the text, so that a rewriting which copies tokens with what stands before them changes nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace headrace {

enum class TokenKind : uint8_t {
  word,    ///< A keyword or a bare identifier.
  quoted,  ///< An identifier in "double quotes" or `backticks`.
  number,
  string,  ///< 'text', E'text', X'00', $$text$$
  op,  ///< One character, or one of :: and =>. Nothing here parses expressions, so longer operators may stay in pieces.
  end,
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view text;  ///< As written; points into the tokenised text.
  int32_t line = 1;
  int32_t column = 1;  ///< In characters, from 1.

  /// Whether it is this keyword, in any case; an identifier in quotes never is.
  bool is(std::string_view keyword) const;
  bool is_op(std::string_view symbol) const { return kind == TokenKind::op && text == symbol; }
  bool is_name() const { return kind == TokenKind::word || kind == TokenKind::quoted; }
  /// The identifier without its quotes, or the content of a plain '...' string; else as written.
  std::string value() const;
};

struct Tokens {
  std::vector<Token> tokens;  ///< The last one is always of kind end.
  std::vector<Error>
      errors;  ///< What never ends (a quote, a comment) or belongs to no token; syntax_error with its place.
};

/// Cuts `text`, which must outlive the tokens. `at` is the place of its first character; line 0 counts as 1:1.
Tokens tokenize(std::string_view text, const Location& at);

/// 'it''s', for a text that goes into SQL.
std::string quote_text(std::string_view text);
/// "a ""b""", for an identifier that goes into SQL.
std::string quote_name(std::string_view name);

}  // namespace headrace
