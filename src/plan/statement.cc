#include "plan/statement.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "plan/expected.h"
#include "plan/interval.h"
#include "plan/rewrite.h"
#include "plan/token.h"
#include "plan/type_name.h"

namespace headrace {
namespace {

const std::vector<std::string> kinds{"SOURCE", "TABLE", "VIEW", "MATERIALIZED", "SINK", "FUNCTION", "ALERT"};

bool opens(const Token& token) {
  return token.is_op("(") || token.is_op("[") || token.is_op("{");
}
bool closes(const Token& token) {
  return token.is_op(")") || token.is_op("]") || token.is_op("}");
}

/// What people try first, and what to write here instead.
struct Lesson {
  std::string_view first, remedy;
};
constexpr std::array lessons{
    Lesson{
        "SELECT",
        "a project's file holds CREATE statements: CREATE VIEW name AS SELECT ...; a running pipeline answers SELECTs"},
    Lesson{"WITH", "a project's file holds CREATE statements: CREATE VIEW name AS WITH ... SELECT ..."},
    Lesson{"INSERT", "write CREATE SINK name WITH (connector = '...') AS SELECT ..."},
    Lesson{"EXECUTE", "all statements of a project run together: take EXECUTE STATEMENT SET away"},
    Lesson{"DROP", "the files are the definition: take the statement that creates it away"},
    Lesson{"ALTER", "the files are the definition: change the statement that creates it"},
    Lesson{"SET", "settings stand in headrace.toml"},
    Lesson{"USE", "a project has one name space: take the statement away"},
};

/// Reads one statement: tokens[at] up to its ';' or the end.
class StatementParser {
 public:
  StatementParser(std::span<const Token> tokens, size_t begin, size_t end, const std::string& file,
                  ParseOptions options)
      : tokens_(tokens), at_(begin), end_(end), file_(file), options_(options) {}

  Result<Statement> parse() {
    if (!token().is("CREATE")) return not_create();
    Location start = place();
    ++at_;
    HEADRACE_TRY(refuse_modifiers());
    if (take("SOURCE")) return source(start);
    if (take("TABLE")) return source(start);
    if (take("VIEW")) return view(start, false);
    if (token().is("MATERIALIZED")) {
      ++at_;
      if (!take("VIEW")) return expected_one_of({"VIEW"}, token(), file_);
      return view(start, true);
    }
    if (take("SINK")) return sink(start);
    if (take("FUNCTION")) return function(start);
    if (take("ALERT")) return alert(start);
    return expected_one_of(kinds, token(), file_);
  }

 private:
  const Token& token(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, end_)]; }
  Location place() const { return {file_, token().line, token().column}; }
  Error here(std::string message) const { return syntax_error(std::move(message), token(), file_); }
  Error expected_here(const std::string& what) const { return expected(what, token(), file_); }

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
  Result<> need(const std::string& keyword) {
    if (!take(keyword)) return expected_one_of({keyword}, token(), file_);
    return {};
  }
  Result<> need_op(std::string_view symbol) {
    if (!take_op(symbol)) return expected_here(quote_text(symbol));
    return {};
  }
  Result<> need_end() {
    if (at_ < end_) return expected_here("';'");
    return {};
  }

  Error not_create() const {
    Error error = expected_one_of({"CREATE"}, token(), file_);
    for (const Lesson& lesson : lessons)
      if (token().is(lesson.first)) error.remedy = lesson.remedy;
    return error;
  }

  Result<> refuse_modifiers() {
    if (token().is("OR") && token(1).is("REPLACE"))
      return here("CREATE OR REPLACE: nothing has to be replaced")
          .with_remedy("write CREATE; the project's files are the definition, each name is defined once");
    if (token().is("TEMPORARY") || token().is("TEMP"))
      return here("nothing is temporary in a project")
          .with_remedy("write CREATE VIEW: a view that is not MATERIALIZED keeps nothing");
    return {};
  }

  Result<std::string> name(const std::string& of) {
    if (token().is("IF") && token(1).is("NOT") && token(2).is("EXISTS"))
      return here("IF NOT EXISTS: nothing exists before")
          .with_remedy("leave it out; the project's files are the definition, each name is defined once");
    if (token().kind == TokenKind::string)
      return expected_here(of + " (a name, not a text)").with_remedy("write " + quote_name(token().value()));
    bool keyword = token().is("AS") || token().is("WITH") || token().is("ON") || token().is("FROM");
    if (!token().is_name() || (keyword && !token(1).is("AS") && !token(1).is("WITH"))) return expected_here(of);
    std::string out = token().value();
    if (out.empty()) return expected_here(of);
    ++at_;
    if (token().is_op("."))
      return here("names have no dots here").with_remedy("put the name in quotes if the dot belongs to it");
    return out;
  }

  // CREATE SOURCE name (columns) WITH (options)
  Result<Statement> source(Location start) {
    CreateSource out;
    out.at = std::move(start);
    HEADRACE_ASSIGN(out.name, name("the source's name"));
    if (!token().is_op("(")) return expected_here("'(' with the source's columns");
    ++at_;
    do {
      HEADRACE_TRY(source_item(out));
    } while (take_op(","));
    HEADRACE_TRY(need_op(")"));
    if (at_ == end_ && options_.sources_need_with)
      return expected_here("WITH (connector = '...')")
          .with_remedy("a source needs WITH: it says where its rows come from");
    if (at_ < end_) {
      if (token().is("COMMENT") || token().is("PARTITIONED") || token().is("LIKE") || token().is("DISTRIBUTED"))
        return expected_one_of({"WITH"}, token(), file_)
            .with_remedy(std::string(token().text) + " is not known here: leave it out");
      HEADRACE_ASSIGN(out.options, options());
    }
    HEADRACE_TRY(need_end());
    return Statement(std::move(out));
  }

  Result<> source_item(CreateSource& out) {
    if (token().is("WATERMARK") && token(1).is("FOR")) return watermark(out);
    if (token().is("CONSTRAINT") && token(1).is_name() && token(2).is("PRIMARY")) at_ += 2;
    if (token().is("PRIMARY") && token(1).is("KEY")) return primary_key(out);
    return column(out);
  }

  Result<> watermark(CreateSource& out) {
    if (out.watermark_column) return here("a source has one WATERMARK; this is a second one");
    at_ += 2;
    HEADRACE_ASSIGN(out.watermark_column, name("the time column's name"));
    HEADRACE_TRY(need("AS"));
    size_t end = end_of_item();
    HEADRACE_ASSIGN(out.watermark, rewritten(end, "an expression such as ts - INTERVAL '5' SECOND"));
    return {};
  }

  Result<> primary_key(CreateSource& out) {
    if (!out.primary_key.empty()) return here("a source has one PRIMARY KEY; this is a second one");
    at_ += 2;
    HEADRACE_TRY(need_op("("));
    do {
      HEADRACE_ASSIGN(std::string key, name("a column's name"));
      out.primary_key.push_back(std::move(key));
    } while (take_op(","));
    HEADRACE_TRY(need_op(")"));
    return not_enforced();
  }

  Result<> not_enforced() {
    if (token().is("ENFORCED"))
      return here("keys are not enforced: rows come from outside").with_remedy("write NOT ENFORCED");
    if (!token().is("NOT") || !token(1).is("ENFORCED")) return {};
    at_ += 2;
    return {};
  }

  Result<> column(CreateSource& out) {
    ColumnText column;
    column.at = place();
    HEADRACE_ASSIGN(column.name, name("a column's name"));
    for (const ColumnText& other : out.columns)
      if (same_name(other.name, column.name))
        return syntax_error("the column " + column.name + " is there twice", tokens_[at_ - 1], file_);
    if (token().is("AS")) return computed();
    HEADRACE_ASSIGN(column.type, read_type(tokens_.first(end_ + 1), at_, file_));
    while (!token().is_op(",") && !token().is_op(")")) {
      if (token().is("NOT") && token(1).is("NULL")) {
        column.not_null = true;
        at_ += 2;
      } else if (token().is("PRIMARY") && token(1).is("KEY")) {
        if (!out.primary_key.empty()) return here("a source has one PRIMARY KEY; this is a second one");
        at_ += 2;
        out.primary_key.push_back(column.name);
        HEADRACE_TRY(not_enforced());
      } else if (token().is("COMMENT") && token(1).kind == TokenKind::string) {
        at_ += 2;
      } else if (token().is("METADATA")) {
        return here("METADATA columns are not known here");
      } else if (token().is("DEFAULT") || token().is("GENERATED") || token().is("AS")) {
        return computed();
      } else if (!take("NULL")) {
        return expected_here("',', ')', NOT NULL or PRIMARY KEY");
      }
    }
    out.columns.push_back(std::move(column));
    return {};
  }

  Error computed() const {
    return here("a source's columns come from outside: they are not computed")
        .with_remedy("compute it in a view: CREATE VIEW v AS SELECT *, expression AS name FROM source");
  }

  /// The ',' or ')' that ends an item of the list that at_ is in; the statement's end where there is none.
  size_t end_of_item() const {
    int depth = 0;
    for (size_t i = at_; i < end_; ++i) {
      if (depth == 0 && (tokens_[i].is_op(",") || closes(tokens_[i]))) return i;
      depth += opens(tokens_[i]) - closes(tokens_[i]);
    }
    return end_;
  }

  /// Tokens up to `end`, rewritten for DuckDB; goes there.
  Result<SqlText> rewritten(size_t end, const std::string& what) {
    if (at_ == end) return expected_here(what);
    Result<SqlText> out = rewrite_tokens(tokens_, at_, end, file_);
    at_ = end;
    return out;
  }

  // WITH (key = 'value', 'a.b' = 3)
  Result<OptionTexts> options() {
    HEADRACE_TRY(need("WITH"));
    HEADRACE_TRY(need_op("("));
    OptionTexts out;
    if (take_op(")")) return out;
    do {
      OptionText option;
      option.at = place();
      HEADRACE_ASSIGN(std::string key, option_key());
      if (out.count(key) > 0) return syntax_error("the option " + key + " is given twice", tokens_[at_ - 1], file_);
      HEADRACE_TRY(need_op("="));
      HEADRACE_ASSIGN(option.value, option_value());
      out.emplace(std::move(key), std::move(option));
    } while (take_op(","));
    HEADRACE_TRY(need_op(")"));
    return out;
  }

  Result<std::string> option_key() {
    if (token().kind == TokenKind::string) return lower_case(tokens_[at_++].value());
    std::string key;
    do {
      if (!token().is_name()) return expected_here("an option's name");
      key += (key.empty() ? "" : ".") + tokens_[at_++].value();
    } while (take_op("."));
    if (token().is_op("-"))
      return expected_here("'='").with_remedy("put the option's name in quotes: '" + key + "-...'");
    return lower_case(std::move(key));
  }

  Result<std::string> option_value() {
    if (token().kind == TokenKind::string) return tokens_[at_++].value();
    bool sign = token().is_op("-") || token().is_op("+");
    if (token(sign).kind == TokenKind::number) {
      std::string value = token().is_op("-") ? "-" : "";
      at_ += sign;
      return value + std::string(tokens_[at_++].text);
    }
    if (token().is("TRUE") || token().is("FALSE")) return lower_case(std::string(tokens_[at_++].text));
    Error error = expected_here("a text in quotes, a number, true or false");
    if (token().is_name()) error.remedy = "write " + quote_text(token().value());
    return error;
  }

  // CREATE [MATERIALIZED] VIEW name [WITH (options)] AS SELECT ... [EMIT ...]
  Result<Statement> view(Location start, bool materialized) {
    CreateView out;
    out.at = std::move(start);
    out.materialized = materialized;
    HEADRACE_ASSIGN(out.name, name("the view's name"));
    if (token().is_op("("))
      return here("a view's columns are named in its SELECT")
          .with_remedy("write CREATE VIEW name AS SELECT a AS x, ...");
    if (token().is("WITH")) {
      HEADRACE_ASSIGN(out.options, options());
    }
    HEADRACE_TRY(need("AS"));
    HEADRACE_TRY(body(out.select, out.emit));
    return Statement(std::move(out));
  }

  // CREATE SINK name WITH (options) AS SELECT ... [EMIT ...]
  Result<Statement> sink(Location start) {
    CreateSink out;
    out.at = std::move(start);
    HEADRACE_ASSIGN(out.name, name("the sink's name"));
    if (token().is("FROM"))
      return expected_here("WITH (connector = '...')")
          .with_remedy("write CREATE SINK name WITH (connector = '...') AS SELECT * FROM ...");
    if (!token().is("WITH"))
      return expected_one_of({"WITH"}, token(), file_)
          .with_remedy("a sink needs WITH (connector = '...'): it says where its rows go");
    HEADRACE_ASSIGN(out.options, options());
    HEADRACE_TRY(need("AS"));
    HEADRACE_TRY(body(out.select, out.emit));
    return Statement(std::move(out));
  }

  Result<> body(SqlText& select, EmitText& emit) {
    bool begins = token().is_op("(");
    for (const char* first : {"SELECT", "WITH", "FROM", "VALUES", "TABLE"}) begins = begins || token().is(first);
    if (!begins) return expected_one_of({"SELECT", "WITH", "FROM", "VALUES"}, token(), file_);
    HEADRACE_TRY(refuse_inner_emit());
    size_t end = emit_clause();
    HEADRACE_ASSIGN(select, rewritten(end, "SELECT"));
    if (at_ < end_) HEADRACE_TRY(read_emit(emit));
    return need_end();
  }

  bool is_emit(size_t i) const {
    auto behind = [&](size_t n) -> const Token& { return tokens_[std::min(i + n, end_)]; };
    if (!tokens_[i].is("EMIT") || (i > 0 && tokens_[i - 1].is_op("."))) return false;
    return (behind(1).is("ON") && (behind(2).is("WINDOW") || behind(2).is("UPDATE"))) ||
           (behind(1).is("EVERY") && behind(2).is("INTERVAL"));
  }

  Result<> refuse_inner_emit() const {
    int depth = 0;
    for (size_t i = at_; i < end_; ++i) {
      depth += opens(tokens_[i]) - closes(tokens_[i]);
      if (depth > 0 && is_emit(i))
        return syntax_error("EMIT stands inside the query", tokens_[i], file_)
            .with_remedy("put it at the end of the view or sink; or make the inner query a view");
    }
    return {};
  }

  /// Where EMIT begins, else the end. A table named emit is told from it: what follows EMIT is words and lengths only.
  size_t emit_clause() const {
    int depth = 0;
    size_t found = end_;
    for (size_t i = at_; i < end_; ++i) {
      depth += opens(tokens_[i]) - closes(tokens_[i]);
      if (depth != 0 || i == at_ || !tokens_[i].is("EMIT") || tokens_[i - 1].is_op(".") || tokens_[i - 1].is("AS"))
        continue;
      bool words =
          i + 1 < end_ && (tokens_[i + 1].is("ON") || tokens_[i + 1].is("EVERY") || tokens_[i + 1].is("AFTER"));
      for (size_t j = i + 1; j < end_; ++j) words = words && tokens_[j].kind != TokenKind::op;
      if (words || is_emit(i)) found = std::min(found, i);
    }
    return found;
  }

  // EMIT ON WINDOW CLOSE | ON UPDATE | EVERY INTERVAL '1' SECOND [ON END FLUSH | HOLD]
  Result<> read_emit(EmitText& out) {
    ++at_;
    if (take("EVERY")) {
      out.kind = Emit::every;
      HEADRACE_ASSIGN(out.every_ms, length("EMIT EVERY", 1));
    } else {
      if (!take("ON")) return expected_one_of({"ON WINDOW CLOSE", "ON UPDATE", "EVERY"}, token(), file_);
      if (take("WINDOW")) {
        HEADRACE_TRY(need("CLOSE"));
        out.kind = Emit::on_window_close;
      } else {
        if (!take("UPDATE")) return expected_one_of({"WINDOW CLOSE", "UPDATE"}, token(), file_);
        out.kind = Emit::on_update;
      }
    }
    if (!take("ON")) return {};
    HEADRACE_TRY(need("END"));
    if (!token().is("FLUSH") && !token().is("HOLD")) return expected_one_of({"FLUSH", "HOLD"}, token(), file_);
    out.flush_on_end = token().is("FLUSH");
    ++at_;
    return {};
  }

  /// INTERVAL ... in milliseconds, at least `ms_min`.
  Result<int64_t> length(const std::string& of, int64_t ms_min) {
    if (!token().is("INTERVAL"))
      return expected_one_of({"INTERVAL"}, token(), file_).with_remedy("write INTERVAL '10' SECOND");
    const Token& start = token();
    HEADRACE_ASSIGN(IntervalText interval, read_interval(tokens_.first(end_ + 1), at_, file_));
    if (interval.months != 0)
      return syntax_error(of + ": months have no fixed length", start, file_).with_remedy("write it in days");
    if (interval.us % 1000 != 0) return syntax_error(of + " takes whole milliseconds", start, file_);
    if (interval.us / 1000 < ms_min)
      return syntax_error(of + " takes a length of " + std::to_string(ms_min) + " ms or more", start, file_);
    return interval.us / 1000;
  }

  // CREATE FUNCTION name FROM 'file'
  Result<Statement> function(Location start) {
    CreateFunction out;
    out.at = std::move(start);
    HEADRACE_ASSIGN(out.name, name("the function's name"));
    HEADRACE_TRY(need("FROM"));
    if (token().kind != TokenKind::string) return expected_here("a file such as 'functions/risk.py'");
    out.file = tokens_[at_++].value();
    HEADRACE_TRY(need_end());
    return Statement(std::move(out));
  }

  // CREATE ALERT name ON view WHEN condition [FOR INTERVAL ...] [WITH (options)]
  Result<Statement> alert(Location start) {
    CreateAlert out;
    out.at = std::move(start);
    HEADRACE_ASSIGN(out.name, name("the alert's name"));
    HEADRACE_TRY(need("ON"));
    HEADRACE_ASSIGN(out.view, name("the view's name"));
    HEADRACE_TRY(need("WHEN"));
    HEADRACE_ASSIGN(out.condition, rewritten(end_of_condition(), "a condition such as score > 0.9"));
    if (take("FOR")) {
      HEADRACE_ASSIGN(out.for_ms, length("FOR", 0));
    }
    if (at_ < end_) {
      HEADRACE_ASSIGN(out.options, options());
    }
    HEADRACE_TRY(need_end());
    return Statement(std::move(out));
  }

  size_t end_of_condition() const {
    int depth = 0;
    for (size_t i = at_; i < end_; ++i) {
      depth += opens(tokens_[i]) - closes(tokens_[i]);
      if (depth == 0 && tokens_[i].is("FOR") && tokens_[std::min(i + 1, end_)].is("INTERVAL")) return i;
      if (depth == 0 && tokens_[i].is("WITH") && tokens_[std::min(i + 1, end_)].is_op("(")) return i;
    }
    return end_;
  }

  std::span<const Token> tokens_;
  size_t at_, end_;  // tokens_[end_] is the ';' or the end of the file.
  const std::string& file_;
  ParseOptions options_;
};

bool lies_before(const Token& token, const Location& at) {
  return token.line < at.line || (token.line == at.line && token.column < at.column);
}

}  // namespace

ParsedFile parse_statements(std::string_view text, const std::string& file, ParseOptions options) {
  ParsedFile out;
  Tokens read = tokenize(text, {file, 1, 1});
  const std::vector<Token>& tokens = read.tokens;
  for (size_t begin = 0, end = 0; begin < tokens.size(); begin = end + 1) {
    for (end = begin; end + 1 < tokens.size() && !tokens[end].is_op(";");) ++end;
    // A quote that never ends swallows what follows: nothing can be said of its statement or of those behind it.
    bool swallowed = !read.errors.empty() && !lies_before(tokens[end], read.errors.front().at);
    if (swallowed) break;
    if (begin == end) continue;
    Result<Statement> statement = StatementParser(tokens, begin, end, file, options).parse();
    if (statement)
      out.statements.push_back(std::move(statement).value());
    else
      out.errors.push_back(std::move(statement).error());
  }
  out.errors.insert(out.errors.end(), read.errors.begin(), read.errors.end());
  return out;
}

}  // namespace headrace
