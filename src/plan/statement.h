// Statements as written: what the project's sql/*.sql say, before anything is bound. Own small parser for CREATE ...,
// WATERMARK FOR and EMIT; the SELECT bodies are rewritten (rewrite.h) and go to DuckDB's parser.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "plan/sql_text.h"

namespace headrace {

struct OptionText {
  std::string value;
  Location at;  ///< Of the key.
};
using OptionTexts = std::map<std::string, OptionText>;  ///< Keys in lower case.

struct ColumnText {
  std::string name;
  std::string
      type;  ///< In DuckDB's spelling (Flink's types are translated: STRING -> VARCHAR, TIMESTAMP(3) -> TIMESTAMP ...).
  bool not_null = false;
  Location at;
};

struct CreateSource {
  std::string name;
  std::vector<ColumnText> columns;
  std::vector<std::string> primary_key;  ///< As written; whether they are columns is the planner's to say.
  std::optional<std::string> watermark_column;
  SqlText watermark;  ///< The expression after AS, rewritten for DuckDB.
  OptionTexts options;
  Location at;
};

enum class Emit : uint8_t { by_default, on_window_close, on_update, every };
struct EmitText {
  Emit kind = Emit::by_default;
  int64_t every_ms = 0;
  std::optional<bool> flush_on_end;  ///< ON END FLUSH | HOLD

  auto operator<=>(const EmitText&) const = default;
  bool is_default() const { return *this == EmitText{}; }
  /// Windows give their partial answers as changes.
  bool updates() const { return kind == Emit::on_update || kind == Emit::every; }
  bool holds_at_end() const { return flush_on_end == false; }
};

struct CreateView {
  std::string name;
  bool materialized = false;
  SqlText select;  ///< Rewritten for DuckDB.
  EmitText emit;
  OptionTexts options;
  Location at;
};

struct CreateSink {
  std::string name;
  SqlText select;  ///< Rewritten for DuckDB.
  EmitText emit;
  OptionTexts options;
  Location at;
};

struct CreateFunction {
  std::string name, file;
  Location at;
};

struct CreateAlert {
  std::string name, view;
  SqlText condition;  ///< Rewritten for DuckDB.
  int64_t for_ms = 0;
  OptionTexts options;
  Location at;
};

using Statement = std::variant<CreateSource, CreateView, CreateSink, CreateFunction, CreateAlert>;

/// Parses a file's statements. A statement with an error is left out; all errors of the file are given, each with its
/// place (syntax_error: what was expected, what stood there).
struct ParsedFile {
  std::vector<Statement> statements;
  std::vector<Error> errors;
};
struct ParseOptions {
  bool sources_need_with = true;  ///< A test feeds its sources: there, a source may stand without WITH.
};
ParsedFile parse_statements(std::string_view text, const std::string& file, ParseOptions options = {});

}  // namespace headrace
