// Statements as parsed: what each clause becomes, and that every error points at its place and says what to write.
#include "plan/statement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

ParsedFile parse(const std::string& text) {
  return parse_statements(text, "sql/a.sql");
}

template <class T>
T one(const std::string& text, ParseOptions options = {}) {
  ParsedFile file = parse_statements(text, "sql/a.sql", options);
  for (const Error& error : file.errors) ADD_FAILURE() << error.text();
  if (file.statements.size() != 1 || !std::holds_alternative<T>(file.statements[0])) {
    ADD_FAILURE() << "not one statement of this kind: " << text;
    return {};
  }
  return std::get<T>(file.statements[0]);
}

/// The only error of `text`, as people see it.
std::string error_of(const std::string& text) {
  ParsedFile file = parse(text);
  if (file.errors.size() != 1) return "there are " + std::to_string(file.errors.size()) + " errors";
  EXPECT_EQ(file.errors[0].code, Code::syntax_error);
  return file.errors[0].text();
}

TEST(Statement, SourceWithEveryClause) {
  auto source = one<CreateSource>(R"(
-- payments
CREATE SOURCE tx (
  tx_id    VARCHAR NOT NULL,
  `card`   STRING,
  amount   DECIMAL(12, 2),
  "When"   TIMESTAMP(3),
  tags     ARRAY<ROW<k STRING, v INT>>,
  PRIMARY KEY (tx_id, card) NOT ENFORCED,
  WATERMARK FOR "When" AS "When" - INTERVAL '5' SECOND
) WITH (connector = 'kafka', 'Scan.Startup.Mode' = 'latest', value.format = 'it''s', rows = -3, follow = TRUE, rate = 1.5);
)");
  EXPECT_EQ(source.name, "tx");
  EXPECT_EQ(source.at.text(), "sql/a.sql:3:1");
  ASSERT_THAT(source.columns, SizeIs(5));
  EXPECT_EQ(source.columns[0].type, "VARCHAR");
  EXPECT_TRUE(source.columns[0].not_null);
  EXPECT_FALSE(source.columns[1].not_null);
  EXPECT_EQ(source.columns[1].name, "card");
  EXPECT_EQ(source.columns[1].at.text(), "sql/a.sql:5:3");
  EXPECT_EQ(source.columns[2].type, "DECIMAL(12, 2)");
  EXPECT_EQ(source.columns[3].name, "When");
  EXPECT_EQ(source.columns[3].type, "TIMESTAMP");
  EXPECT_EQ(source.columns[4].type, "STRUCT(k VARCHAR, v INTEGER)[]");
  EXPECT_THAT(source.primary_key, ElementsAre("tx_id", "card"));
  EXPECT_EQ(source.watermark_column, "When");
  EXPECT_EQ(source.watermark.text, "\"When\" - INTERVAL '5' SECOND");
  EXPECT_EQ(source.watermark.at.text(), "sql/a.sql:10:27");
  EXPECT_EQ(source.options.at("connector").value, "kafka");
  EXPECT_EQ(source.options.at("scan.startup.mode").value, "latest");
  EXPECT_EQ(source.options.at("value.format").value, "it's");
  EXPECT_EQ(source.options.at("rows").value, "-3");
  EXPECT_EQ(source.options.at("follow").value, "true");
  EXPECT_EQ(source.options.at("rate").value, "1.5");
  EXPECT_EQ(source.options.at("rows").at.text(), "sql/a.sql:11:86");
}

TEST(Statement, TableWithOptionsIsASource) {
  auto source = one<CreateSource>(
      "create table t (id INT PRIMARY KEY NOT ENFORCED, v STRING COMMENT 'x') with ('connector' = 'kafka')");
  EXPECT_EQ(source.name, "t");
  EXPECT_THAT(source.primary_key, ElementsAre("id"));
}

TEST(Statement, OnlyTestsMayLeaveWithAway) {
  EXPECT_EQ(one<CreateSource>("CREATE SOURCE t (a INT)", {.sources_need_with = false}).name, "t");
  EXPECT_THAT(error_of("CREATE TABLE t (a INT);"),
              HasSubstr("sql/a.sql:1:23: error 2001 (syntax_error): expected WITH (connector = '...'), found ';'"));
}

TEST(Statement, Views) {
  auto view = one<CreateView>("CREATE VIEW v AS SELECT a, `b` FROM t");
  EXPECT_FALSE(view.materialized);
  EXPECT_EQ(view.select.text, "SELECT a, \"b\" FROM t");
  EXPECT_EQ(view.emit.kind, Emit::by_default);
  EXPECT_FALSE(view.emit.flush_on_end.has_value());

  view = one<CreateView>(
      "CREATE MATERIALIZED VIEW \"a b\" WITH (on_error = 'null') AS\n  WITH x AS (SELECT 1) SELECT * FROM x;");
  EXPECT_TRUE(view.materialized);
  EXPECT_EQ(view.name, "a b");
  EXPECT_EQ(view.options.at("on_error").value, "null");
  EXPECT_EQ(view.select.at.text(), "sql/a.sql:2:3");
}

TEST(Statement, Emit) {
  auto emit = [](const std::string& clause) {
    auto view =
        one<CreateView>("CREATE MATERIALIZED VIEW v AS SELECT a FROM t WHERE b = (SELECT max(b) FROM t) " + clause);
    EXPECT_EQ(view.select.text, "SELECT a FROM t WHERE b = (SELECT max(b) FROM t)");
    return view.emit;
  };
  EXPECT_EQ(emit("EMIT ON WINDOW CLOSE").kind, Emit::on_window_close);
  EXPECT_EQ(emit("EMIT ON UPDATE").kind, Emit::on_update);
  EXPECT_EQ(emit("EMIT EVERY INTERVAL '1' SECOND").every_ms, 1000);
  EXPECT_EQ(emit("EMIT EVERY INTERVAL '250 milliseconds';").every_ms, 250);
  EXPECT_EQ(emit("emit on update on end hold").flush_on_end, false);
  EXPECT_EQ(emit("EMIT EVERY INTERVAL 2 MINUTES ON END FLUSH").flush_on_end, true);
  EXPECT_EQ(emit("EMIT EVERY INTERVAL 2 MINUTES ON END FLUSH").every_ms, 120'000);
}

TEST(Statement, EmitIsAlsoAName) {
  EXPECT_EQ(one<CreateView>("CREATE VIEW v AS SELECT emit, t.emit FROM t").emit.kind, Emit::by_default);
  EXPECT_EQ(one<CreateView>("CREATE VIEW v AS SELECT * FROM a JOIN b emit ON a.x = emit.x").emit.kind,
            Emit::by_default);
}

TEST(Statement, EmitHasItsPlace) {
  EXPECT_THAT(error_of("CREATE VIEW v AS SELECT * FROM (SELECT 1 EMIT ON UPDATE)"),
              HasSubstr(":1:42: error 2001 (syntax_error): EMIT stands inside"));
  EXPECT_THAT(error_of("CREATE VIEW v AS SELECT 1 EMIT ON CLOSE"),
              HasSubstr("expected WINDOW CLOSE or UPDATE, found 'CLOSE'"));
  EXPECT_THAT(error_of("CREATE VIEW v AS SELECT 1 EMIT ON UPDATE WHERE x"), HasSubstr("expected ';', found 'WHERE'"));
  EXPECT_THAT(error_of("CREATE VIEW v AS SELECT 1 EMIT EVERY INTERVAL '0' SECOND"),
              HasSubstr("takes a length of 1 ms or more"));
  EXPECT_THAT(error_of("CREATE VIEW v AS SELECT 1 EMIT EVERY INTERVAL '1' MONTH"),
              HasSubstr("months have no fixed length"));
}

TEST(Statement, Sink) {
  auto sink = one<CreateSink>(
      "CREATE SINK out WITH (connector = 'iceberg', table = 'lake.tx') AS SELECT * FROM late(tx) EMIT ON WINDOW "
      "CLOSE;");
  EXPECT_EQ(sink.name, "out");
  EXPECT_EQ(sink.options.at("table").value, "lake.tx");
  EXPECT_EQ(sink.select.text, "SELECT * FROM headrace_late('tx')");
  EXPECT_EQ(sink.emit.kind, Emit::on_window_close);
}

TEST(Statement, FunctionAndAlert) {
  auto function = one<CreateFunction>("CREATE FUNCTION risk FROM 'functions/risk.py';");
  EXPECT_EQ(function.name, "risk");
  EXPECT_EQ(function.file, "functions/risk.py");

  auto alert = one<CreateAlert>(
      "CREATE ALERT high_risk ON risky WHEN score > 0.9 FOR INTERVAL '10' SECOND WITH (webhook = 'http://x');");
  EXPECT_EQ(alert.view, "risky");
  EXPECT_EQ(alert.condition.text, "score > 0.9");
  EXPECT_EQ(alert.for_ms, 10'000);
  EXPECT_EQ(alert.options.at("webhook").value, "http://x");
  EXPECT_EQ(one<CreateAlert>("CREATE ALERT a ON v WHEN substring(s FROM 1 FOR 2) = 'x'").for_ms, 0);
}

TEST(Statement, SeveralStatementsAndComments) {
  ParsedFile file = parse(";; CREATE VIEW a AS SELECT ';' /* ; /* ; */ */ FROM t; -- ;\nCREATE VIEW b AS SELECT $$;$$");
  EXPECT_THAT(file.errors, IsEmpty());
  ASSERT_THAT(file.statements, SizeIs(2));
  EXPECT_EQ(std::get<CreateView>(file.statements[1]).at.text(), "sql/a.sql:2:1");
  EXPECT_THAT(parse("").errors, IsEmpty());
  EXPECT_THAT(parse("-- nothing").statements, IsEmpty());
}

TEST(Statement, AllErrorsOfAFile) {
  ParsedFile file =
      parse("CREATE VIEW a AS SELEC 1;\nCREATE VIEW b AS SELECT 2;\nCREATE SINC c;\n  CREATE VIEW AS SELECT 3;");
  EXPECT_THAT(file.statements, SizeIs(1));
  ASSERT_THAT(file.errors, SizeIs(3));
  EXPECT_EQ(file.errors[0].at.text(), "sql/a.sql:1:18");
  EXPECT_EQ(file.errors[0].remedy, "did you mean SELECT?");
  EXPECT_EQ(file.errors[1].at.text(), "sql/a.sql:3:8");
  EXPECT_EQ(file.errors[1].remedy, "did you mean SINK?");
  EXPECT_EQ(file.errors[2].at.text(), "sql/a.sql:4:15");
  EXPECT_THAT(file.errors[2].message, HasSubstr("expected the view's name, found 'AS'"));
}

TEST(Statement, AQuoteThatNeverEndsIsOneError) {
  ParsedFile file = parse("CREATE VIEW a AS SELECT 1;\nCREATE VIEW b AS SELECT 'x;\nCREATE VIEW c AS SELEC 3;");
  EXPECT_THAT(file.statements, SizeIs(1));
  ASSERT_THAT(file.errors, SizeIs(1));
  EXPECT_EQ(file.errors[0].at.text(), "sql/a.sql:2:25");
  EXPECT_THAT(error_of("CREATE VIEW a AS SELECT 1 /* x"),
              HasSubstr(":1:27: error 2001 (syntax_error): this comment never ends"));
}

TEST(Statement, ColumnsCountCharacters) {
  EXPECT_THAT(error_of("CREATE VIEW größe AS SELEC 1"), HasSubstr(":1:22:"));
}

TEST(Statement, ErrorsTeach) {
  EXPECT_THAT(error_of("CREATE MATERIALISED VIEW v AS SELECT 1"), HasSubstr("did you mean MATERIALIZED?"));
  EXPECT_THAT(error_of("CREATE OR REPLACE VIEW v AS SELECT 1"), HasSubstr("nothing has to be replaced"));
  EXPECT_THAT(error_of("CREATE VIEW IF NOT EXISTS v AS SELECT 1"), HasSubstr("IF NOT EXISTS"));
  EXPECT_THAT(error_of("CREATE TEMPORARY VIEW v AS SELECT 1"), HasSubstr("nothing is temporary"));
  EXPECT_THAT(error_of("CRATE VIEW v AS SELECT 1"), HasSubstr("did you mean CREATE?"));
  EXPECT_THAT(error_of("SELECT 1"), HasSubstr("CREATE VIEW name AS SELECT"));
  EXPECT_THAT(error_of("INSERT INTO x SELECT 1"), HasSubstr("CREATE SINK"));
  EXPECT_THAT(error_of("CREATE SINK s AS SELECT 1"), HasSubstr("a sink needs WITH"));
  EXPECT_THAT(error_of("CREATE SOURCE s (a INT, b AS a + 1) WITH (connector = 'x')"),
              HasSubstr("they are not computed"));
  EXPECT_THAT(error_of("CREATE SOURCE s (a INT, A INT) WITH (connector = 'x')"), HasSubstr("is there twice"));
  EXPECT_THAT(error_of("CREATE SOURCE s (a) WITH (connector = 'x')"),
              HasSubstr(":1:19: error 2001 (syntax_error): expected a type, found ')'"));
  EXPECT_THAT(error_of("CREATE SOURCE s (a INT) WITH (connector = kafka)"), HasSubstr("write 'kafka'"));
  EXPECT_THAT(error_of("CREATE SOURCE s (a INT) WITH (connector = 'a', CONNECTOR = 'b')"), HasSubstr("given twice"));
  EXPECT_THAT(error_of("CREATE SOURCE s (a INT) WITH (fail-on-error = true)"), HasSubstr("in quotes"));
  EXPECT_THAT(error_of("CREATE SOURCE s (a INT, PRIMARY KEY (a) ENFORCED) WITH (connector = 'x')"),
              HasSubstr("write NOT ENFORCED"));
  EXPECT_THAT(error_of("CREATE SOURCE a.b (a INT) WITH (connector = 'x')"), HasSubstr("names have no dots here"));
  EXPECT_THAT(error_of("CREATE SOURCE 'a' (a INT) WITH (connector = 'x')"), HasSubstr("write \"a\""));
  EXPECT_THAT(error_of("CREATE SOURCE s (a INT, WATERMARK FOR a AS) WITH (connector = 'x')"),
              HasSubstr("expected an expression such as"));
  EXPECT_THAT(error_of("CREATE VIEW v AS"), HasSubstr("found the end of the text"));
  EXPECT_THAT(error_of("CREATE ALERT a ON v WHEN"), HasSubstr("expected a condition"));
  EXPECT_THAT(error_of("CREATE FUNCTION f FROM file"), HasSubstr("expected a file"));
}

}  // namespace
}  // namespace headrace
