// A law of the parser: a statement printed and parsed again is the same statement, whatever its names, values and line
// breaks are.
#include <gtest/gtest.h>

#include <random>

#include "plan/statement.h"
#include "plan/token.h"

namespace headrace {
namespace {

/// Prints a statement's parts with random spelling: case, blanks, comments and quotes that mean nothing.
class Printer {
 public:
  explicit Printer(std::mt19937& random) : random_(random) {}

  std::string operator()(const CreateSource& source) {
    std::string out = words(pick({"CREATE SOURCE", "CREATE TABLE"})) + name(source.name) + space() + "(";
    for (size_t i = 0; i < source.columns.size(); ++i) {
      const ColumnText& column = source.columns[i];
      out += (i > 0 ? "," : "") + space() + name(column.name) + " " + column.type +
             (column.not_null ? words(" NOT NULL") : " ");
    }
    for (size_t i = 0; i < source.primary_key.size(); ++i)
      out += (i == 0 ? words(", PRIMARY KEY") + "(" : ",") + name(source.primary_key[i]);
    if (!source.primary_key.empty()) out += ")" + space() + pick({"NOT ENFORCED", ""});
    if (source.watermark_column)
      out += words(", WATERMARK FOR") + name(*source.watermark_column) + words(" AS") + source.watermark.text;
    return out + ")" + space() + options(source.options);
  }
  std::string operator()(const CreateView& view) {
    return words(view.materialized ? "CREATE MATERIALIZED VIEW" : "CREATE VIEW") + name(view.name) + space() +
           (view.options.empty() ? "" : options(view.options)) + words(" AS") + view.select.text + emit(view.emit);
  }
  std::string operator()(const CreateSink& sink) {
    return words("CREATE SINK") + name(sink.name) + space() + options(sink.options) + words(" AS") + sink.select.text +
           emit(sink.emit);
  }
  std::string operator()(const CreateFunction& function) {
    return words("CREATE FUNCTION") + name(function.name) + words(" FROM") + quote_text(function.file);
  }
  std::string operator()(const CreateAlert& alert) {
    return words("CREATE ALERT") + name(alert.name) + words(" ON") + name(alert.view) + words(" WHEN") +
           alert.condition.text +
           (alert.for_ms > 0 ? words(" FOR INTERVAL") + quote_text(std::to_string(alert.for_ms)) + words(" MILLISECOND")
                             : " ") +
           (alert.options.empty() ? "" : options(alert.options));
  }

 private:
  size_t below(size_t bound) { return random_() % bound; }
  std::string pick(std::vector<std::string> choices) { return choices[below(choices.size())]; }
  std::string space() { return pick({" ", "  ", "\n", "\t", " -- it's; (\n", "/* ; /* ' */ */"}); }

  /// Keywords in any case, with space behind each.
  std::string words(const std::string& keywords) {
    std::string out;
    for (char c : keywords)
      out += c == ' '        ? space()
             : below(2) == 0 ? std::string(1, c)
                             : std::string(1, static_cast<char>(std::tolower(c)));
    return out + space();
  }

  std::string name(const std::string& text) {
    std::string quoted = "`";
    for (char c : text) quoted += c == '`' ? "``" : std::string(1, c);
    return below(2) == 0 ? quote_name(text) : quoted + "`";
  }

  std::string options(const OptionTexts& options) {
    std::string out = words("WITH") + "(";
    for (const auto& [key, option] : options)
      out += (out.back() == '(' ? "" : ",") + space() + quote_text(key) + space() + "=" + space() +
             quote_text(option.value);
    return out + space() + ")";
  }

  std::string emit(const EmitText& emit) {
    std::string out = " ";
    if (emit.kind == Emit::by_default) return out;
    if (emit.kind == Emit::on_window_close) out += words("EMIT ON WINDOW CLOSE");
    if (emit.kind == Emit::on_update) out += words("EMIT ON UPDATE");
    if (emit.kind == Emit::every)
      out += words("EMIT EVERY INTERVAL") + quote_text(std::to_string(emit.every_ms) + " milliseconds") + space();
    if (emit.flush_on_end) out += words(*emit.flush_on_end ? "ON END FLUSH" : "ON END HOLD");
    return out;
  }

  std::mt19937& random_;
};

/// Makes statements of random parts.
class Generator {
 public:
  explicit Generator(std::mt19937& random) : random_(random) {}

  Statement statement() {
    switch (below(5)) {
      case 0:
        return source();
      case 1:
        return view();
      case 2:
        return sink();
      case 3:
        return CreateFunction{name(), text(), {}};
      default:
        return alert();
    }
  }

 private:
  size_t below(size_t bound) { return random_() % bound; }
  std::string pick(std::vector<std::string> choices) { return choices[below(choices.size())]; }

  std::string text() {
    std::string out;
    for (size_t i = below(8); i > 0; --i)
      out += pick({"a", "Z", "_", "0", " ", "'", "\"", "`", ";", "--", "/*", "ä", "$$", "\\", ".", "\n", "("});
    return out;
  }
  /// A name is not empty.
  std::string name() { return pick({"select", "from", "x", "Größe", "a b"}) + text(); }

  OptionTexts options() {
    OptionTexts out;
    for (size_t i = below(4); i > 0; --i) out[pick({"connector", "a.b", "value-format", "it's"})] = {text(), {}};
    return out;
  }

  SqlText query() {
    return {pick({"SELECT 1", "SELECT emit, \"a\"\"b\" FROM t emit WHERE x = ';'", "FROM headrace_late('x')",
                  "WITH w AS (SELECT 1) SELECT * FROM w",
                  "SELECT * FROM tumble((FROM t), 'ts', INTERVAL '1' MINUTE, INTERVAL '0' SECOND) GROUP BY a, b",
                  "(SELECT $$ EMIT ON UPDATE $$)"}),
            {}};
  }

  CreateSource source() {
    CreateSource out{.name = name(), .options = options()};
    for (size_t i = 0; i <= below(5); ++i)
      out.columns.push_back(
          {"c" + std::to_string(i) + text(),
           pick({"INTEGER", "DECIMAL(12, 2)", "STRUCT(a VARCHAR, b TIMESTAMP)[]", "MAP(VARCHAR, BLOB)"}),
           below(2) == 0,
           {}});
    for (size_t i = 0; i < below(3); ++i) out.primary_key.push_back(out.columns[below(out.columns.size())].name);
    if (below(2) == 0) {
      out.watermark_column = out.columns[0].name;
      out.watermark.text = "least(ts, \"x\") - INTERVAL '5' SECOND";
    }
    return out;
  }
  CreateView view() {
    return {.name = name(),
            .materialized = below(2) == 0,
            .select = query(),
            .emit = emit(),
            .options = options(),
            .at = {}};
  }
  CreateSink sink() { return {.name = name(), .select = query(), .emit = emit(), .options = options(), .at = {}}; }
  CreateAlert alert() {
    return {.name = name(),
            .view = name(),
            .condition = {pick({"score > 0.9", "(a WITH b) OR x IN (1, 2)", "substring(a FROM 1 FOR 2) = ';'"}), {}},
            .for_ms = static_cast<int64_t>(below(3) * 1500),
            .options = options(),
            .at = {}};
  }
  EmitText emit() {
    EmitText out;
    out.kind = static_cast<Emit>(below(4));
    if (out.kind == Emit::every) out.every_ms = static_cast<int64_t>(1 + below(100'000));
    if (out.kind != Emit::by_default && below(2) == 0) out.flush_on_end = below(2) == 0;
    return out;
  }

  std::mt19937& random_;
};

/// All that a statement says, but for places.
struct Meaning {
  std::string operator()(const CreateSource& s) const {
    std::string out = "source " + s.name;
    for (const ColumnText& column : s.columns)
      out += "|" + column.name + ":" + column.type + (column.not_null ? "!" : "");
    for (const std::string& key : s.primary_key) out += "|key " + key;
    return out + "|" + s.watermark_column.value_or("none") + "|" + s.watermark.text + options(s.options);
  }
  std::string operator()(const CreateView& s) const {
    return (s.materialized ? "materialized " : "view ") + s.name + "|" + s.select.text + emit(s.emit) +
           options(s.options);
  }
  std::string operator()(const CreateSink& s) const {
    return "sink " + s.name + "|" + s.select.text + emit(s.emit) + options(s.options);
  }
  std::string operator()(const CreateFunction& s) const { return "function " + s.name + "|" + s.file; }
  std::string operator()(const CreateAlert& s) const {
    return "alert " + s.name + "|" + s.view + "|" + s.condition.text + "|" + std::to_string(s.for_ms) +
           options(s.options);
  }
  static std::string emit(const EmitText& e) {
    return "|" + std::to_string(static_cast<int>(e.kind)) + "," + std::to_string(e.every_ms) + "," +
           (e.flush_on_end ? *e.flush_on_end ? "flush" : "hold" : "-");
  }
  static std::string options(const OptionTexts& options) {
    std::string out;
    for (const auto& [key, option] : options) out += "|" + key + "=" + option.value;
    return out;
  }
};

TEST(StatementProperty, PrintedAndParsedAgainIsTheSame) {
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    Generator generator(random);
    Printer print(random);
    std::vector<Statement> statements;
    std::string text;
    for (size_t i = 0; i <= seed % 4; ++i) {
      statements.push_back(generator.statement());
      text += std::visit(print, statements.back()) + ";\n";
    }
    ParsedFile file = parse_statements(text, "f.sql");
    for (const Error& error : file.errors) FAIL() << "seed " << seed << ": " << error.text() << "\n" << text;
    ASSERT_EQ(file.statements.size(), statements.size()) << text;
    for (size_t i = 0; i < statements.size(); ++i) {
      ASSERT_EQ(std::visit(Meaning(), file.statements[i]), std::visit(Meaning(), statements[i]))
          << "seed " << seed << "\n"
          << text;
    }
  }
}

}  // namespace
}  // namespace headrace
