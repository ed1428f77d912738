// Rewriting on tokens: what DuckDB gets for what the user wrote, and the way back to the user's place.
#include "plan/rewrite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headrace {
namespace {

using ::testing::HasSubstr;

const Location at{"sql/a.sql", 1, 1};

std::string rewritten(const std::string& text) {
  Result<SqlText> out = rewrite_sql(text, at);
  return out ? out->text : out.error().text();
}

std::string type(const std::string& text) {
  Result<std::string> out = rewrite_type(text, at);
  return out ? *out : out.error().text();
}

TEST(Rewrite, LeavesDuckDbAlone) {
  for (const char* sql : {
           "SELECT a, b::VARCHAR, CAST(c AS INTEGER) FROM t -- comment\n WHERE /* `x` */ x = 'TUMBLE(TABLE t)'",
           "SELECT * FROM tumble((FROM t), 'ts', INTERVAL '10' SECOND, INTERVAL '0' SECOND)",
           "SELECT t.floor, t.\"if\", floor(x), ceil(x), list[1:2], {'a': 1}, x -> x + 1 FROM t",
           "SELECT substring(a FROM 1 FOR 2), extract(HOUR FROM ts), INTERVAL '1' DAY, INTERVAL '2 hours' FROM t",
           "SELECT x::INTEGER[], y::DECIMAL(10, 2), $1, E'a\\'b' FROM t FETCH FIRST 3 ROWS ONLY",
           "SELECT to_timestamp(1700000000), late(x) FROM t",
       })
    EXPECT_EQ(rewritten(sql), sql);
}

TEST(Rewrite, UnnestBesideATable) {
  EXPECT_EQ(
      rewritten("SELECT t.a FROM o, UNNEST(o.items) AS t(a, b) WHERE a > 1"),
      "SELECT t.a FROM o, LATERAL (SELECT struct_extract_at(headrace_item, 1), struct_extract_at(headrace_item, 2) "
      "FROM (SELECT unnest(headrace_list) AS headrace_item FROM (SELECT headrace_items(o.items) AS headrace_list)))"
      " AS t(a, b) WHERE a > 1");
  EXPECT_EQ(rewritten("FROM o LEFT JOIN UNNEST(x) WITH ORDINALITY AS t(a, n) ON TRUE"),
            "FROM o JOIN LATERAL (SELECT headrace_item, headrace_number AS ordinality FROM (SELECT unnest(CASE WHEN "
            "len(headrace_list) "
            "> 0 THEN headrace_list ELSE [NULL] END) AS headrace_item, unnest(range(1, len(headrace_list) + 1)) AS "
            "headrace_number FROM (SELECT headrace_items(x) AS headrace_list))) AS t(a, n) ON TRUE");
  EXPECT_THAT(rewritten("FROM o LEFT JOIN UNNEST(x) t(a) ON TRUE AND a > 1"), HasSubstr("takes ON TRUE"));
  EXPECT_EQ(rewritten("FROM o, UNNEST(o.x) AS t(a)"), "FROM o, UNNEST(headrace_items(o.x)) AS t(a)");
  EXPECT_EQ(rewritten("FROM o CROSS JOIN UNNEST(x) WHERE (a, b) IN (c)"),
            "FROM o CROSS JOIN UNNEST(headrace_items(x)) WHERE (a, b) IN (c)");
  for (const char* sql :
       {"SELECT unnest(x), left(y, 2) FROM o LEFT JOIN p ON true", "FROM o, UNNEST(headrace_items(x)) t"})
    EXPECT_EQ(rewritten(sql), sql);
}

TEST(Rewrite, Backticks) {
  EXPECT_EQ(rewritten("SELECT `a``b`, `c\"d` FROM `t`.`u`"), "SELECT \"a`b\", \"c\"\"d\" FROM \"t\".\"u\"");
}

TEST(Rewrite, WindowsInEverySpelling) {
  const std::string tumble = "SELECT * FROM tumble((FROM tx), 'ts', INTERVAL '1' MINUTE, INTERVAL '0' SECOND)";
  EXPECT_EQ(rewritten("SELECT * FROM TUMBLE(TABLE tx, DESCRIPTOR(ts), INTERVAL '1' MINUTE)"), tumble);
  EXPECT_EQ(rewritten("SELECT * FROM TABLE(TUMBLE(TABLE tx, DESCRIPTOR(ts), INTERVAL '1' MINUTE))"), tumble);
  EXPECT_EQ(rewritten("SELECT * FROM tumble(data => TABLE tx, timecol => DESCRIPTOR(ts), size => INTERVAL '1' MINUTE)"),
            tumble);
  EXPECT_EQ(
      rewritten("SELECT * FROM TUMBLE(SIZE => INTERVAL '1' MINUTE, TIMECOL => DESCRIPTOR(`ts`), DATA => TABLE tx)"),
      tumble);
  EXPECT_EQ(
      rewritten("FROM TUMBLE(TABLE `my tx`, DESCRIPTOR(\"t's\"), INTERVAL '1' MINUTE, INTERVAL '-10' SECOND) AS w"),
      "FROM tumble((FROM \"my tx\"), 't''s', INTERVAL '1' MINUTE, INTERVAL '-10' SECOND) AS w");
  EXPECT_EQ(rewritten("FROM HOP(TABLE a.b, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '1' MINUTE)"),
            "FROM hop((FROM a.b), 'ts', INTERVAL '5' SECOND, INTERVAL '1' MINUTE, INTERVAL '0' SECOND)");
  EXPECT_EQ(rewritten("FROM HOP(DATA => TABLE b, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '1' MINUTE, SLIDE => "
                      "INTERVAL '5' SECOND)"),
            "FROM hop((FROM b), 'ts', INTERVAL '5' SECOND, INTERVAL '1' MINUTE, INTERVAL '0' SECOND)");
  EXPECT_EQ(rewritten("FROM CUMULATE(TABLE b, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '1' DAY(3), INTERVAL '1 02' "
                      "DAY TO HOUR)"),
            "FROM cumulate((FROM b), 'ts', INTERVAL '1' HOUR, INTERVAL '0 months 86400000000 microseconds', "
            "INTERVAL '0 months 93600000000 microseconds')");
}

TEST(Rewrite, Intervals) {
  EXPECT_EQ(
      rewritten("SELECT INTERVAL -'2 03:04:05.5' DAY TO SECOND, INTERVAL '1-2' YEAR TO MONTH, INTERVAL -'10' SECOND"),
      "SELECT INTERVAL '0 months -183845500000 microseconds', INTERVAL '14 months 0 microseconds', "
      "INTERVAL '0 months -10000000 microseconds'");
  EXPECT_EQ(rewritten("SELECT INTERVAL '10' SECOND - INTERVAL (n) DAY"),
            "SELECT INTERVAL '10' SECOND - INTERVAL (n) DAY");
  EXPECT_THAT(rewritten("SELECT INTERVAL '1:2' DAY TO SECOND"), HasSubstr("is not a length of time"));
}

TEST(Rewrite, Sessions) {
  const std::string session = "FROM session((FROM tx), 'ts', INTERVAL '10' SECOND, 'card,user')";
  EXPECT_EQ(rewritten("FROM SESSION(TABLE tx PARTITION BY (card, user), DESCRIPTOR(ts), INTERVAL '10' SECOND)"),
            session);
  EXPECT_EQ(rewritten("FROM SESSION(TABLE tx PARTITION BY card, `user`, DESCRIPTOR(ts), INTERVAL '10' SECOND)"),
            session);
  EXPECT_EQ(rewritten("FROM SESSION(DATA => TABLE tx PARTITION BY card, user, TIMECOL => DESCRIPTOR(ts), GAP => "
                      "INTERVAL '10' SECOND)"),
            session);
  EXPECT_EQ(rewritten("FROM SESSION(TABLE tx, DESCRIPTOR(ts), INTERVAL '10' SECOND)"),
            "FROM session((FROM tx), 'ts', INTERVAL '10' SECOND, '')");
}

TEST(Rewrite, WindowsOverQueriesAndInQueries) {
  EXPECT_EQ(rewritten("SELECT * FROM (SELECT * FROM TUMBLE(TABLE (SELECT `a`, ts FROM HOP(TABLE t, DESCRIPTOR(ts), "
                      "INTERVAL '1' SECOND, "
                      "INTERVAL '2' SECOND)), DESCRIPTOR(ts), INTERVAL '1' MINUTE))"),
            "SELECT * FROM (SELECT * FROM tumble( (SELECT \"a\", ts FROM hop((FROM t), 'ts', INTERVAL '1' SECOND, "
            "INTERVAL '2' SECOND, "
            "INTERVAL '0' SECOND)), 'ts', INTERVAL '1' MINUTE, INTERVAL '0' SECOND))");
  EXPECT_EQ(rewritten("FROM TUMBLE(TABLE late(t), DESCRIPTOR(ts), INTERVAL '1' MINUTE)"),
            "FROM tumble((FROM headrace_late('t')), 'ts', INTERVAL '1' MINUTE, INTERVAL '0' SECOND)");
}

TEST(Rewrite, WrongWindowsTeach) {
  EXPECT_THAT(rewritten("FROM TUMBLE(tx, DESCRIPTOR(ts), INTERVAL '1' MINUTE)"),
              HasSubstr("sql/a.sql:1:13: error 2001 (syntax_error): expected TABLE, found 'tx'"));
  EXPECT_THAT(rewritten("FROM TUMBLE(TABLE tx, ts, INTERVAL '1' MINUTE)"),
              HasSubstr(":1:23: error 2001 (syntax_error): expected DESCRIPTOR(column), found 'ts'"));
  EXPECT_THAT(rewritten("FROM HOP(TABLE tx, DESCRIPTOR(ts), INTERVAL '1' MINUTE)"), HasSubstr("HOP needs SIZE"));
  EXPECT_THAT(rewritten("FROM TUMBLE(TABLE tx, DESCRIPTOR(ts), LENGTH => INTERVAL '1' MINUTE)"),
              HasSubstr("TUMBLE has no argument LENGTH"));
  EXPECT_THAT(rewritten("FROM TUMBLE(TABLE tx, DESCRIPTOR(ts), DATA => TABLE t)"), HasSubstr("DATA is given twice"));
  EXPECT_THAT(rewritten("FROM TUMBLE(TABLE tx PARTITION BY a, DESCRIPTOR(ts), INTERVAL '1' MINUTE)"),
              HasSubstr("PARTITION BY belongs to SESSION"));
  EXPECT_THAT(rewritten("SELECT 1 FROM t GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)"), HasSubstr("stands in FROM"));
  EXPECT_THAT(rewritten("FROM TUMBLE(TABLE tx, DESCRIPTOR(ts), INTERVAL '1' MINUTE"), HasSubstr("never closed"));
}

TEST(Rewrite, Late) {
  EXPECT_EQ(rewritten("SELECT * FROM late(tx) AS l, LATE(\"T'x\")"),
            "SELECT * FROM headrace_late('tx') AS l, headrace_late('T''x')");
}

TEST(Rewrite, Casts) {
  EXPECT_EQ(rewritten("SELECT CAST(a AS STRING), TRY_CAST(CAST(`b` AS BYTES) AS TIMESTAMP(3)), c::TIMESTAMP_LTZ(3), "
                      "d::STRING::CHAR(3) || 'x'"),
            "SELECT CAST(a AS VARCHAR), TRY_CAST(CAST(\"b\" AS BLOB) AS TIMESTAMP), c::TIMESTAMPTZ, "
            "d::VARCHAR::VARCHAR || 'x'");
  EXPECT_EQ(rewritten("SELECT TIMESTAMP(3) '2020-01-01 00:00:00'"), "SELECT TIMESTAMP '2020-01-01 00:00:00'");
  EXPECT_THAT(rewritten("SELECT CAST(a, STRING)"), HasSubstr("there is no AS"));
}

TEST(Rewrite, Types) {
  EXPECT_EQ(type("ARRAY<ROW<a STRING>>"), "STRUCT(a VARCHAR)[]");
  EXPECT_EQ(type("MAP<STRING, ARRAY<INT NOT NULL>>"), "MAP(VARCHAR, INTEGER[])");
  EXPECT_EQ(type("ROW(`a b` TIMESTAMP(3) 'when', c DECIMAL(10,2))"), "STRUCT(\"a b\" TIMESTAMP, c DECIMAL(10, 2))");
  EXPECT_EQ(type("TIMESTAMP(6) WITH LOCAL TIME ZONE"), "TIMESTAMPTZ");
  EXPECT_EQ(type("TIMESTAMP WITHOUT TIME ZONE"), "TIMESTAMP");
  EXPECT_EQ(type("TIME(3)"), "TIME");
  EXPECT_EQ(type("VARBINARY(16)"), "BLOB");
  EXPECT_EQ(type("CHARACTER VARYING(10)"), "VARCHAR");
  EXPECT_EQ(type("INTERVAL DAY(3) TO SECOND(3)"), "INTERVAL");
  EXPECT_EQ(type("double precision"), "DOUBLE");
  EXPECT_EQ(type("INT ARRAY"), "INTEGER[]");
  EXPECT_EQ(type("STRUCT(a INT, b VARCHAR[])[3]"), "STRUCT(a INTEGER, b VARCHAR[])[3]");
  EXPECT_EQ(type("hugeint"), "HUGEINT");
  EXPECT_THAT(type("MULTISET<INT>"), HasSubstr("2006"));
  EXPECT_THAT(type("ARRAY<INT"), HasSubstr("expected '>', found the end of the text"));
  EXPECT_THAT(type("INT INT"), HasSubstr("expected the end of the type"));
}

TEST(Rewrite, FunctionsOfFlink) {
  EXPECT_EQ(rewritten("SELECT CHAR_LENGTH(`a`), IF(a > IF(b, 1, 2), 'x', 'y')"),
            "SELECT length(\"a\"), CASE WHEN a > CASE WHEN b THEN  1 ELSE  2 END THEN  'x' ELSE  'y' END");
  EXPECT_EQ(rewritten("SELECT MAP['a', CHAR_LENGTH(b), c,2], map['x'], MAP {'a': 1}"),
            "SELECT MAP {'a': length(b), c:2}, map['x'], MAP {'a': 1}");
  EXPECT_EQ(rewritten("SELECT DATE_FORMAT(ts,'yyyy-MM-dd''T''HH:mm:ss.SSS')"),
            "SELECT strftime(ts, '%Y-%m-%dT%H:%M:%S.%g')");
  EXPECT_EQ(rewritten("SELECT DATE_FORMAT(ts,'hh:mm a 100%')"), "SELECT strftime(ts, '%I:%M %p 100%%')");
  EXPECT_EQ(rewritten("SELECT DATE_FORMAT(ts, '''it''''s'' yyyy '''' ''''''h''''''')"),
            "SELECT strftime(ts, 'it''s %Y '' ''h''')");
  EXPECT_THAT(rewritten("SELECT DATE_FORMAT(ts, '''it''''s yyyy')"), HasSubstr("never ends"));
  EXPECT_THAT(rewritten("SELECT DATE_FORMAT(ts, 'yyyy w')"),
              HasSubstr(":1:24: error 2001 (syntax_error): the pattern's 'w' is not known"));
  EXPECT_EQ(rewritten("SELECT FLOOR(a.ts TO HOUR), FLOOR(x)"), "SELECT date_trunc('hour', a.ts), FLOOR(x)");
  EXPECT_EQ(rewritten("SELECT TIMESTAMPDIFF(MINUTE,a,b)"), "SELECT date_sub('minute', a, b)");
  EXPECT_EQ(rewritten("SELECT TIMESTAMPADD(HOUR,-2,ts)"), "SELECT ((ts) + to_hours(-2))");
  EXPECT_EQ(rewritten("SELECT TO_TIMESTAMP_LTZ(n,3)"), "SELECT make_timestamptz(CAST(n AS BIGINT) * 1000)");
  EXPECT_EQ(rewritten("SELECT PROCTIME(), TO_TIMESTAMP(a)"), "SELECT now(), TRY_CAST(a AS TIMESTAMP)");
  EXPECT_EQ(rewritten("SELECT TO_TIMESTAMP(a,'dd.MM.yyyy')"), "SELECT try_strptime(a, '%d.%m.%Y')");
}

TEST(Rewrite, SystemTime) {
  EXPECT_EQ(
      rewritten("SELECT * FROM s LEFT JOIN v FOR SYSTEM_TIME AS OF s.ts AS w ON s.k = w.k OR s.k IS NULL WHERE x"),
      "SELECT * FROM s LEFT JOIN v AS w ON ( s.k = w.k OR s.k IS NULL) AND headrace_as_of( s.ts) WHERE x");
  EXPECT_EQ(rewritten("SELECT * FROM s JOIN v FOR SYSTEM_TIME AS OF s.`ts` ON s.k = v.k JOIN u ON TRUE"),
            "SELECT * FROM s JOIN v ON ( s.k = v.k) AND headrace_as_of( s.\"ts\") JOIN u ON TRUE");
  EXPECT_EQ(rewritten("(SELECT * FROM s JOIN v FOR SYSTEM_TIME AS OF s.ts w ON left(s.k, 1) = w.k)"),
            "(SELECT * FROM s JOIN v AS w ON ( left(s.k, 1) = w.k) AND headrace_as_of( s.ts))");
  EXPECT_THAT(rewritten("SELECT * FROM s JOIN v FOR SYSTEM_TIME AS OF s.ts"), HasSubstr("needs an ON condition"));
}

TEST(Rewrite, KnowsTheWayBack) {
  std::string sql = "SELECT `ä`, b\nFROM TUMBLE(TABLE nope, DESCRIPTOR(ts), INTERVAL '1' MINUTE) WHERE missing";
  Result<SqlText> out = rewrite_sql(sql, {"sql/a.sql", 10, 5});
  ASSERT_TRUE(out.ok());
  auto place = [&](const std::string& word) { return out->locate(out->text.find(word)).text(); };
  EXPECT_EQ(place("SELECT"), "sql/a.sql:10:5");
  EXPECT_EQ(place("\"ä\""), "sql/a.sql:10:12");
  EXPECT_EQ(place("b\n"), "sql/a.sql:10:17");
  EXPECT_EQ(place("tumble"), "sql/a.sql:11:6");
  EXPECT_EQ(place("nope"), "sql/a.sql:11:19");
  EXPECT_EQ(place("'ts'"), "sql/a.sql:11:36");
  EXPECT_EQ(place("MINUTE"), "sql/a.sql:11:54");
  EXPECT_EQ(place("missing"), "sql/a.sql:11:68");
  EXPECT_EQ(SqlText({"SELECT 1", at}).locate(3).text(), "sql/a.sql:1:1");
}

TEST(Rewrite, TwiceIsOnce) {
  for (const char* sql :
       {"SELECT `a` FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)", "SELECT * FROM late(t)",
        "SELECT IF(a, SPLIT_INDEX(s, ',', 0), CAST(b AS ROW<x INT>)) FROM s JOIN v FOR SYSTEM_TIME AS OF s.ts AS w ON "
        "TRUE"}) {
    std::string once = rewritten(sql);
    EXPECT_EQ(rewritten(once), once);
  }
}

TEST(Rewrite, DepthHasALimit) {
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "IF(";
  for (int i = 0; i < 5000; ++i) deep += "a, b, c)";
  EXPECT_THAT(rewritten("SELECT " + deep), HasSubstr("error 2001"));
  std::string arrays;
  for (int i = 0; i < 5000; ++i) arrays += "ARRAY<";
  EXPECT_THAT(type(arrays), HasSubstr("nested too deeply"));
}

/// MATCH_RECOGNIZE with these clauses behind ORDER BY ts.
std::string matched(const std::string& clauses) {
  return rewritten("SELECT * FROM t MATCH_RECOGNIZE (ORDER BY ts " + clauses + ") AS m");
}

TEST(Rewrite, MatchRecognizeIsAQueryOverATableFunction) {
  const std::string text = rewritten(
      "SELECT m.x FROM `my t` MATCH_RECOGNIZE (PARTITION BY k, `l` ORDER BY ts, n DESC, o NULLS FIRST "
      "MEASURES A.`x` + 1 AS x, SUM(B.x * B.y) AS s, y AS y, COUNT(*) AS n, MATCH_ROWTIME() AS at "
      "AFTER MATCH SKIP PAST LAST ROW PATTERN (A B+?) WITHIN INTERVAL '5' SECOND "
      "DEFINE A AS A.x > 1, B AS IF(B.x > LAST(B.x, 1), TRUE, y IS NULL)) AS m");
  for (const char* part :
       {"SELECT m.x FROM (SELECT headrace_key0 AS \"k\", headrace_key1 AS \"l\",  headrace_m0 + 1 AS \"x\",  "
        "headrace_m1 AS \"s\",  "
        "y AS \"y\",  headrace_m2 AS \"n\",  headrace_time AS \"at\" FROM headrace_match((SELECT *, \"k\" AS "
        "headrace_key0, \"l\" AS "
        "headrace_key1, \"ts\" AS headrace_time, create_sort_key(\"n\", 'DESC NULLS LAST', \"o\", 'ASC NULLS FIRST') "
        "AS "
        "headrace_order, \"x\" AS headrace_a0, \"x\" * \"y\" AS headrace_a1, 1 AS headrace_a2 FROM  \"my t\"), '2 1 3 ",
        ") WHERE headrace_define(( headrace_d0 > 1), ( CASE WHEN ", "headrace_d1 > headrace_d2", " THEN ",
        " y IS NULL END))) AS m"})
    EXPECT_THAT(text, HasSubstr(part));
}

TEST(Rewrite, MatchRecognizeOverQueriesAndFunctions) {
  const std::string clauses = " MATCH_RECOGNIZE (ORDER BY ts MEASURES A.x AS x PATTERN (A) DEFINE A AS TRUE)";
  EXPECT_THAT(rewritten("FROM (SELECT * FROM t WHERE `x` > 1)" + clauses),
              HasSubstr(" FROM  (SELECT * FROM t WHERE \"x\" > 1)), '"));
  EXPECT_THAT(rewritten("FROM u, TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)" + clauses),
              HasSubstr(" FROM  tumble((FROM t), 'ts', INTERVAL '1' DAY, INTERVAL '0' SECOND)), '"));
  EXPECT_THAT(rewritten("FROM (SELECT * FROM t" + clauses + ")" + clauses), HasSubstr("FROM  (SELECT * FROM (SELECT"));
  EXPECT_THAT(rewritten("SELECT * FROM t AS u" + clauses), HasSubstr("stands behind the name of a table"));
}

TEST(Rewrite, MatchRecognizeSaysWhatIsWrongAndWhere) {
  EXPECT_THAT(matched("MEASURES A.x AS x PATTERN (A B+) DEFINE A AS TRUE"), HasSubstr("error 2006"));
  EXPECT_THAT(matched("MEASURES A.x AS x PATTERN (A B+) DEFINE A AS TRUE"), HasSubstr("B+?"));
  EXPECT_THAT(matched("MEASURES A.x AS x PATTERN (A | B) DEFINE A AS TRUE"), HasSubstr("sql/a.sql:1:75: error 2006"));
  EXPECT_THAT(matched("MEASURES A.x AS x PATTERN (A) DEFINE B AS TRUE"), HasSubstr("not in the pattern: B"));
  EXPECT_THAT(matched("MEASURES A.x AS x PATTERN (A) DEFINE A AS"), HasSubstr("expected a condition"));
  EXPECT_THAT(matched("MEASURES A.x AS x PATTERN (A) DEFINE A AS TRUE SUBSET"), HasSubstr("AS m"));
  EXPECT_THAT(matched("MEASURES A.x AS x PATTERN (A{2000000}) DEFINE A AS TRUE"), HasSubstr("a number of rows up to"));
  EXPECT_THAT(matched("MEASURES LAST(A.x, n) AS x PATTERN (A) DEFINE A AS TRUE"),
              HasSubstr("a number of rows, found 'n'"));
  EXPECT_THAT(matched("MEASURES A.* AS x PATTERN (A) DEFINE A AS TRUE"), HasSubstr("a column of A, found '*'"));
  EXPECT_THAT(matched("MEASURES A.x AS x PATTERN (A) DEFINE A AS MATCH_ROWTIME() > ts"),
              HasSubstr("belongs to MEASURES"));
  EXPECT_THAT(matched("MEASURES A.x AS x PATTERN (" + std::string(1000, '(') + "A) DEFINE A AS TRUE"),
              HasSubstr("never closed"));
}

}  // namespace
}  // namespace headrace
