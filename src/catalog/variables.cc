#include "catalog/variables.h"

#include <algorithm>
#include <cctype>

namespace headrace {
namespace {

class Substitution {
 public:
  Substitution(std::string_view sql, const std::string& path, const FindVariable& find)
      : sql_(sql), path_(path), find_(find) {}

  Substituted run() && {
    while (at_ < sql_.size()) {
      if (quote_ == '\0' && starts("--"))
        copy(std::min(sql_.find('\n', at_), sql_.size()) - at_);
      else if (quote_ == '\0' && starts("/*"))
        copy_block_comment();
      else if (starts("$${"))
        drop(1), copy(2);
      else if (starts("${"))
        variable();
      else
        note_quote(), copy(1);
    }
    return std::move(out_);
  }

 private:
  bool starts(std::string_view text) const { return sql_.substr(at_, text.size()) == text; }

  /// Moves on by `bytes`, counting lines and characters.
  void drop(size_t bytes) {
    for (size_t stop = std::min(at_ + bytes, sql_.size()); at_ < stop; ++at_) {
      bool continuation = (static_cast<unsigned char>(sql_[at_]) & 0xC0) == 0x80;
      if (sql_[at_] == '\n')
        ++line_, column_ = 1;
      else if (!continuation)
        ++column_;
    }
  }

  void copy(size_t bytes) {
    out_.text += sql_.substr(at_, bytes);
    drop(bytes);
  }

  void copy_block_comment() {
    int depth = 0;
    do {
      if (starts("/*"))
        ++depth, copy(2);
      else if (starts("*/"))
        --depth, copy(2);
      else
        copy(1);
    } while (depth > 0 && at_ < sql_.size());
  }

  /// A doubled quote closes and opens again: the state between does not matter.
  void note_quote() {
    char c = sql_[at_];
    if (quote_ == c)
      quote_ = '\0';
    else if (quote_ == '\0' && (c == '\'' || c == '"' || c == '`'))
      quote_ = c;
  }

  void variable() {
    Location here{path_, line_, column_};
    size_t end = at_ + 2;
    while (end < sql_.size() && (std::isalnum(static_cast<unsigned char>(sql_[end])) != 0 || sql_[end] == '_')) ++end;
    std::string name(sql_.substr(at_ + 2, end - at_ - 2));
    if (name.empty() || end == sql_.size() || sql_[end] != '}') {
      out_.errors.push_back(user_error(Code::syntax_error, "expected ${NAME} with letters, digits and _")
                                .with_remedy("write $${ where a text holds ${ itself")
                                .with_location(here));
      return copy(2);
    }
    std::optional<std::string> value = find_(name);
    if (!value) {
      out_.errors.push_back(user_error(Code::missing_variable, "the variable " + name + " is not set")
                                .with_remedy("set it in the environment (export " + name +
                                             "=...), or in [profiles.NAME.variables] of headrace.toml")
                                .with_location(here));
      return copy(end + 1 - at_);
    }
    for (char c : *value) {
      if (c == quote_) out_.text += c;
      out_.text += c;
    }
    drop(end + 1 - at_);
  }

  std::string_view sql_;
  const std::string& path_;
  const FindVariable& find_;
  size_t at_ = 0;
  int32_t line_ = 1, column_ = 1;
  char quote_ = '\0';
  Substituted out_;
};

}  // namespace

Substituted substitute_variables(std::string_view sql, const std::string& path, const FindVariable& find) {
  return Substitution(sql, path, find).run();
}

}  // namespace headrace
