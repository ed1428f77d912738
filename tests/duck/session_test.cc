#include "duck/session.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

std::unique_ptr<SqlSession> session_with_bids() {
  auto session = SqlSession::open();
  EXPECT_TRUE(session.ok()) << session.error().text();
  std::vector<BoundColumn> columns = {{"auction", LogicalType::BIGINT},
                                      {"price", LogicalType::BIGINT},
                                      {"channel", LogicalType::VARCHAR},
                                      {"ts", LogicalType::TIMESTAMP}};
  EXPECT_TRUE((*session)->add_relation("bid", columns).ok());
  return *std::move(session);
}

void print(const BoundRelation& relation, int depth, std::string& out) {
  out += std::string(depth * 2, ' ') + std::to_string(static_cast<int>(relation.kind)) + " " + relation.relation + " [";
  for (const BoundColumn& column : relation.columns) out += column.name + ":" + column.type.ToString() + " ";
  out += "]";
  for (const Expr& e : relation.expressions) out += " {" + e.text() + "}";
  for (const AggregateCall& a : relation.aggregates) out += " agg{" + a.function + " " + a.text + "}";
  for (const auto& c : relation.conditions) out += " on{" + c.left.text() + "," + c.right.text() + "}";
  out += "\n";
  for (const auto& input : relation.inputs) print(*input, depth + 1, out);
}

TEST(Session, shows_plans) {
  auto session = session_with_bids();
  for (const char* sql :
       {"SELECT auction, price*0.908 AS p, upper(channel) c FROM bid WHERE price > 100 AND channel LIKE '%x%'",
        "SELECT window_start, window_end, auction, count(*) AS num, sum(price) s, avg(price) FROM tumble((FROM bid), "
        "'ts', INTERVAL '10' "
        "SECOND, INTERVAL '0' SECOND) GROUP BY window_start, window_end, auction HAVING count(*) > 2",
        "SELECT count(*) FROM bid", "SELECT DISTINCT auction FROM bid UNION ALL SELECT price FROM bid",
        "SELECT a.auction, b.channel FROM bid a LEFT JOIN bid b ON a.auction = b.auction AND a.price > 5",
        "SELECT a.auction, b.channel FROM bid a ASOF LEFT JOIN bid b ON a.auction = b.auction AND a.ts >= b.ts",
        "SELECT late_operator FROM headrace_late('bid')",
        "SELECT sum(price::DECIMAL(10,2)), sum(price::INT), sum(price::double) FROM bid",
        "SELECT auction FROM bid WHERE auction IN (SELECT price FROM bid)"}) {
    auto bound = session->bind_select(sql);
    ASSERT_TRUE(bound.ok()) << bound.error().text();
    std::string out;
    print(**bound, 0, out);
    printf("%s\n%s\n", sql, out.c_str());
  }
}

TEST(Session, tells_where_a_column_is_unknown) {
  auto session = session_with_bids();
  auto bound = session->bind_select("SELECT auctoin FROM bid");
  ASSERT_FALSE(bound.ok());
  EXPECT_EQ(bound.error().code, Code::unknown_column);
  EXPECT_EQ(bound.error().at.column, 8);
  EXPECT_EQ(session->bind_select("SELECT a FROM bids").error().code, Code::unknown_relation);
  EXPECT_EQ(session->bind_select("SELECT foo(price) FROM bid").error().code, Code::unknown_function);
  EXPECT_EQ(session->bind_select("SELECT * FROM tumble((FROM bid), 'channel', INTERVAL 1 SECOND, INTERVAL 0 SECOND)")
                .error()
                .code,
            Code::bad_time_column);
}

TEST(Session, binds_an_expression_over_columns) {
  auto session = session_with_bids();
  auto bound = session->bind_expression("ts - INTERVAL '5' SECOND",
                                        {{"a", LogicalType::BIGINT}, {"ts", LogicalType::TIMESTAMP}});
  ASSERT_TRUE(bound.ok()) << bound.error().text();
  EXPECT_EQ(bound->columns(), std::vector<size_t>{1});
}

}  // namespace
}  // namespace headrace
