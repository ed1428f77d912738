#include "plan/type_name.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "plan/expected.h"

namespace headrace {
namespace {

constexpr int depth_max = 64;  // Of nested types: a file cannot exhaust the stack.

/// Names with one word and at most a length that means nothing to DuckDB.
struct PlainType {
  std::string_view name, duckdb;
};
constexpr std::array plain_types{
    PlainType{"STRING", "VARCHAR"},
    PlainType{"VARCHAR", "VARCHAR"},
    PlainType{"CHAR", "VARCHAR"},
    PlainType{"TEXT", "VARCHAR"},
    PlainType{"BYTES", "BLOB"},
    PlainType{"VARBINARY", "BLOB"},
    PlainType{"BINARY", "BLOB"},
    PlainType{"BLOB", "BLOB"},
    PlainType{"INT", "INTEGER"},
    PlainType{"INTEGER", "INTEGER"},
    PlainType{"TIMESTAMP_LTZ", "TIMESTAMPTZ"},
    PlainType{"TIMESTAMPTZ", "TIMESTAMPTZ"},
    PlainType{"DATETIME", "TIMESTAMP"},
};

class TypeReader {
 public:
  TypeReader(std::span<const Token> tokens, size_t& at, const std::string& file)
      : tokens_(tokens), at_(at), file_(file) {}

  Result<std::string> read(int depth) {
    if (depth > depth_max) return syntax_error("this type is nested too deeply", token(), file_);
    HEADRACE_ASSIGN(std::string type, element(depth));
    for (;;) {
      if (take("ARRAY")) {
        type += "[]";
      } else if (token().is_op("[") &&
                 (token(1).is_op("]") || (token(1).kind == TokenKind::number && token(2).is_op("]")))) {
        bool sized = token(1).kind == TokenKind::number;
        type += sized ? "[" + std::string(token(1).text) + "]" : "[]";
        at_ += sized ? 3 : 2;
      } else {
        return type;
      }
    }
  }

 private:
  const Token& token(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }

  bool take(std::string_view keyword) {
    if (!token().is(keyword)) return false;
    ++at_;
    return true;
  }
  bool take_op(std::string_view symbol) {
    if (!token().is_op(symbol)) return false;
    ++at_;
    return true;
  }
  Result<> need_op(std::string_view symbol) {
    if (!take_op(symbol)) return expected(quote_text(symbol), token(), file_);
    return {};
  }

  Result<std::string> element(int depth) {
    if (!token().is_name()) return expected("a type", token(), file_);
    if (token().kind == TokenKind::quoted) return other();
    if (token().is("ARRAY") && token(1).is_op("<")) return array(depth);
    if (token().is("MAP") && (token(1).is_op("<") || token(1).is_op("("))) return map(depth);
    if (token().is("ROW") || token().is("STRUCT")) return row(depth);
    if (token().is("MULTISET") || token().is("RAW"))
      return user_error(Code::unsupported_sql, "the type " + std::string(token().text) + " is not known here")
          .with_location({file_, token().line, token().column});
    if (take("TIMESTAMP")) return timestamp();
    if (take("TIME")) return time();
    if (take("INTERVAL")) return interval();
    if (token().is("DOUBLE") && token(1).is("PRECISION")) return skip(2, "DOUBLE");
    if (token().is("CHARACTER") || (token().is("CHAR") && token(1).is("VARYING"))) {
      ++at_;
      take("VARYING");
      HEADRACE_TRY(skip_length());
      return std::string("VARCHAR");
    }
    for (const PlainType& plain : plain_types) {
      if (!take(plain.name)) continue;
      HEADRACE_TRY(skip_length());
      return std::string(plain.duckdb);
    }
    return other();
  }

  Result<std::string> skip(size_t tokens, std::string type) {
    at_ += tokens;
    return type;
  }

  /// Skips "(3)".
  Result<> skip_length() {
    if (!take_op("(")) return {};
    if (token().kind != TokenKind::number) return expected("a number", token(), file_);
    ++at_;
    return need_op(")");
  }

  Result<std::string> timestamp() {
    HEADRACE_TRY(skip_length());
    bool with = token().is("WITH");
    if ((with || token().is("WITHOUT")) && token(1).is("LOCAL") && token(2).is("TIME") && token(3).is("ZONE"))
      at_ += 4;
    else if ((with || token().is("WITHOUT")) && token(1).is("TIME") && token(2).is("ZONE"))
      at_ += 3;
    else
      with = false;
    return std::string(with ? "TIMESTAMPTZ" : "TIMESTAMP");
  }

  Result<std::string> time() {
    HEADRACE_TRY(skip_length());
    bool with = token().is("WITH");
    if ((with || token().is("WITHOUT")) && token(1).is("TIME") && token(2).is("ZONE"))
      at_ += 3;
    else
      with = false;
    return std::string(with ? "TIMETZ" : "TIME");
  }

  /// INTERVAL DAY(3) TO SECOND(3) and its kin are one type.
  Result<std::string> interval() {
    auto unit = [&] {
      for (const char* name : {"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"})
        if (take(name)) return true;
      return false;
    };
    if (unit()) {
      HEADRACE_TRY(skip_length());
      if (take("TO")) {
        if (!unit()) return expected("a unit such as SECOND", token(), file_);
        HEADRACE_TRY(skip_length());
      }
    }
    return std::string("INTERVAL");
  }

  /// [NOT] NULL inside a type says nothing to DuckDB.
  void skip_null() {
    if (token().is("NOT") && token(1).is("NULL"))
      at_ += 2;
    else
      take("NULL");
  }

  Result<std::string> nested(int depth) {
    HEADRACE_ASSIGN(std::string type, read(depth + 1));
    skip_null();
    return type;
  }

  Result<std::string> array(int depth) {
    at_ += 2;
    HEADRACE_ASSIGN(std::string type, nested(depth));
    HEADRACE_TRY(need_op(">"));
    return type + "[]";
  }

  Result<std::string> map(int depth) {
    std::string_view close = token(1).is_op("<") ? ">" : ")";
    at_ += 2;
    HEADRACE_ASSIGN(std::string key, nested(depth));
    HEADRACE_TRY(need_op(","));
    HEADRACE_ASSIGN(std::string value, nested(depth));
    HEADRACE_TRY(need_op(close));
    return "MAP(" + key + ", " + value + ")";
  }

  Result<std::string> row(int depth) {
    ++at_;
    std::string_view close = token().is_op("<") ? ">" : ")";
    if (!take_op("<") && !take_op("(")) return expected("'<' with the row's fields", token(), file_);
    std::string fields;
    do {
      if (!token().is_name()) return expected("a field's name", token(), file_);
      std::string name(token().kind == TokenKind::quoted ? quote_name(token().value()) : std::string(token().text));
      ++at_;
      HEADRACE_ASSIGN(std::string type, nested(depth));
      if (token().kind == TokenKind::string) ++at_;  // A comment on the field.
      fields += (fields.empty() ? "" : ", ") + name + " " + type;
    } while (take_op(","));
    HEADRACE_TRY(need_op(close));
    return "STRUCT(" + fields + ")";
  }

  /// A type of DuckDB's, or the user's: its name in upper case, its arguments as written.
  Result<std::string> other() {
    std::string name(token().text);
    if (token().kind == TokenKind::quoted)
      name = quote_name(token().value());
    else
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
    ++at_;
    if (!take_op("(")) return name;
    name += "(";
    for (int depth = 1; depth > 0; ++at_) {
      if (token().kind == TokenKind::end || token().is_op(";")) return expected("')'", token(), file_);
      if (token().is_op("(")) ++depth;
      if (token().is_op(")")) --depth;
      bool apart = token().is_op(",") || token(1).is_name() || token(1).kind == TokenKind::string;
      name += std::string(token().text) + (depth > 0 && apart && !token().is_op("(") ? " " : "");
    }
    return name;
  }

  std::span<const Token> tokens_;
  size_t& at_;
  const std::string& file_;
};

}  // namespace

Result<std::string> read_type(std::span<const Token> tokens, size_t& at, const std::string& file) {
  return TypeReader(tokens, at, file).read(0);
}

}  // namespace headrace
