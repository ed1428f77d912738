// Users' functions as DuckDB binds and runs them, with bodies in C++.
#include "duck/user_functions.h"

#include <gtest/gtest.h>

#include <duckdb.hpp>

#include "duck/session.h"

namespace headrace {
namespace {

using Kind = BoundRelation::Kind;

/// n -> n rows 0, 1, ... as (place BIGINT).
TableFunctionSpec count_up() {
  TableFunctionSpec spec{"count_up", {LogicalType::BIGINT}, {{"place", LogicalType::BIGINT}}, {}};
  spec.body = [](DataChunk& arguments, Vector& result) -> Result<> {
    for (size_t row = 0; row < arguments.size(); ++row) {
      const duckdb::Value count = arguments.GetValue(0, row);
      duckdb::vector<duckdb::Value> items;
      for (int64_t i = 0; !count.IsNull() && i < count.GetValue<int64_t>(); ++i)
        items.push_back(duckdb::Value::STRUCT({{"place", duckdb::Value::BIGINT(i)}}));
      result.SetValue(row, duckdb::Value::LIST(LogicalType::STRUCT({{"place", LogicalType::BIGINT}}), items));
    }
    return {};
  };
  return spec;
}

/// The number of values and the first of them, as a text.
AggregateFunctionSpec tally() {
  AggregateFunctionSpec spec{"tally", {LogicalType::BIGINT}, {false}, LogicalType::VARCHAR, true, {}};
  spec.body = [](DataChunk& values, const std::vector<uint32_t>& ends, Vector& result) -> Result<> {
    for (size_t i = 0; i < ends.size(); ++i) {
      const uint32_t begin = i == 0 ? 0 : ends[i - 1];
      std::string text = std::to_string(ends[i] - begin);
      if (ends[i] > begin) text += " from " + values.GetValue(0, begin).ToString();
      result.SetValue(i, duckdb::Value(text));
    }
    return {};
  };
  return spec;
}

class UserFunctionsTest : public ::testing::Test {
 protected:
  std::string query(const std::string& sql) {
    auto done = connection_.Query(sql);
    if (done->HasError()) return done->GetError();
    std::string out;
    while (auto chunk = done->Fetch())
      for (size_t row = 0; row < chunk->size(); ++row) {
        for (size_t column = 0; column < chunk->ColumnCount(); ++column)
          out += (column ? " " : "") + chunk->GetValue(column, row).ToString();
        out += ";";
      }
    return out;
  }

  duckdb::DuckDB database_{nullptr};
  duckdb::Connection connection_{database_};
};

TEST_F(UserFunctionsTest, aggregates_run_in_queries) {
  ASSERT_TRUE(register_function(*connection_.context, tally()).ok());
  connection_.Query("CREATE TABLE t AS SELECT * FROM (VALUES (1, 5), (1, NULL), (1, 3), (2, NULL)) AS v(k, x)");
  EXPECT_EQ(query("SELECT k, tally(x) FROM t GROUP BY k ORDER BY k"), "1 2 from 5;2 0;");
  EXPECT_EQ(query("SELECT tally(x ORDER BY x), tally(x) FILTER (WHERE x > 3), count(DISTINCT k) FROM t"),
            "2 from 3 1 from 5 2;");
  EXPECT_EQ(query("SELECT tally(i) FROM range(10000) AS r(i)"), "10000 from 0;");
}

TEST_F(UserFunctionsTest, table_functions_run_in_queries) {
  ASSERT_TRUE(register_function(*connection_.context, count_up()).ok());
  EXPECT_EQ(query("SELECT * FROM count_up(2)"), "0;1;");
  connection_.Query(
      "CREATE TABLE t AS SELECT * FROM (VALUES (1::SMALLINT, 2::SMALLINT), (2, 0), (3, NULL)) AS v(k, n)");
  EXPECT_EQ(query("SELECT k, place FROM t, LATERAL count_up(n) ORDER BY ALL"), "1 0;1 1;");
  EXPECT_EQ(query("SELECT k, p FROM t LEFT JOIN LATERAL count_up(n) AS c(p) ON true ORDER BY ALL"),
            "1 0;1 1;2 NULL;3 NULL;");
  EXPECT_EQ(query("SELECT count(*), sum(place) FROM (SELECT 5000 AS n) AS v, count_up(v.n)"), "5000 12497500;");
}

TEST_F(UserFunctionsTest, names_that_SQL_has_are_refused) {
  AggregateFunctionSpec spec = tally();
  spec.name = "Median";
  Result<> added = register_function(*connection_.context, spec);
  ASSERT_FALSE(added.ok());
  EXPECT_EQ(added.error().code, Code::duplicate_name);
}

/// The first relation of a kind on the way down.
const BoundRelation* find(const BoundRelation& relation, Kind kind) {
  if (relation.kind == kind) return &relation;
  for (const auto& input : relation.inputs)
    if (const BoundRelation* found = find(*input, kind)) return found;
  return nullptr;
}

TEST(UserFunctionsInPipelines, are_bound) {
  auto session = SqlSession::open();
  ASSERT_TRUE(session.ok());
  ASSERT_TRUE((*session)->add_relation("t", {{"k", LogicalType::INTEGER}, {"n", LogicalType::SMALLINT}}).ok());
  ASSERT_TRUE((*session)->add_function(count_up()).ok());
  ASSERT_TRUE((*session)->add_function(tally()).ok());
  ASSERT_TRUE((*session)->add_function(ProcessFunctionSpec{"Velocity", {"k"}, {{"m", LogicalType::DOUBLE}}}).ok());

  auto bound = (*session)->bind_select("SELECT k, place FROM t, LATERAL count_up(n + 1) AS c");
  ASSERT_TRUE(bound.ok()) << bound.error().text();
  const BoundRelation* table = find(**bound, Kind::table_function);
  ASSERT_NE(table, nullptr);
  ASSERT_EQ(table->expressions.size(), 1U);
  EXPECT_EQ(table->expressions[0].type(), LogicalType::BIGINT);
  EXPECT_EQ(table->scan_columns, (std::vector<size_t>{0}));
  EXPECT_EQ(table->inputs[0]->inputs[0]->kind, Kind::delim_get);

  bound = (*session)->bind_select("SELECT m FROM velocity((FROM t), 'k')");
  ASSERT_TRUE(bound.ok()) << bound.error().text();
  const BoundRelation* process = find(**bound, Kind::process);
  ASSERT_NE(process, nullptr);
  EXPECT_EQ(process->session_keys, (std::vector<std::string>{"k"}));
  EXPECT_EQ(process->columns[0].name, "m");
  EXPECT_EQ((*session)->bind_select("SELECT m FROM velocity((FROM t), 'n')").error().code, Code::bind_error);
  EXPECT_EQ((*session)->bind_select("SELECT m FROM velocity((SELECT n FROM t), '')").error().code,
            Code::unknown_column);

  bound = (*session)->bind_select("SELECT k, tally(n) FROM t GROUP BY k");
  ASSERT_TRUE(bound.ok()) << bound.error().text();
  const BoundRelation* aggregate = find(**bound, Kind::aggregate);
  ASSERT_NE(aggregate, nullptr);
  EXPECT_EQ(aggregate->aggregates[0].function, "tally");

  bound = (*session)->bind_select("SELECT * FROM count_up(3)");
  ASSERT_TRUE(bound.ok()) << bound.error().text();
  EXPECT_EQ(find(**bound, Kind::table_function), nullptr);
}

}  // namespace
}  // namespace headrace
