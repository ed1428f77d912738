// Generated rows depend on seed and row number alone.
#include "connect/source_reader.h"

namespace headrace {
namespace {

const SchemaRef columns = schema_of({{"id", LogicalType::BIGINT, true},
                                     {"amount", LogicalType::DECIMAL(12, 2), true},
                                     {"card", LogicalType::VARCHAR, true},
                                     {"ts", LogicalType::TIMESTAMP, true},
                                     {"x", LogicalType::DOUBLE, true},
                                     {"small", LogicalType::TINYINT, true}});

std::map<std::string, std::string> options() {
  return {{"rows", "5000"},
          {"column.amount", "uniform(1, 100)"},
          {"column.card", "choice(a, b)"},
          {"column.X", "normal(0, 1)"},
          {"column.small", "uniform(-3, 3)"}};
}

TEST(Generator, AnyCutGivesTheSameRows) {
  SourceReader whole{columns, options(), "/tmp"};
  ASSERT_TRUE(whole.open("generator").ok());
  ASSERT_TRUE(whole.finish().ok());
  EXPECT_EQ(whole.records, 5000);
  SourceReader parts{columns, options(), "/tmp"};
  std::optional<Position> position;
  for (bool ended = false; !ended;) {
    ASSERT_TRUE(parts.open("generator", position).ok());
    auto polled = parts.poll(9'999);
    ended = polled->end_of_input;
    EXPECT_EQ(polled->backlog.empty(), ended);
    position = parts.source->position();
  }
  EXPECT_EQ(parts.rows, whole.rows);
  EXPECT_TRUE(whole.rows.starts_with("{\"id\":1,\"amount\":")) << whole.rows.substr(0, 200);
  EXPECT_NE(whole.rows.find("\"ts\":\"2024-01-01 01:23:19\""), std::string::npos);

  SourceReader other{columns, options(), "/tmp"};
  other.options["seed"] = "2";
  ASSERT_TRUE(other.open("generator").ok());
  ASSERT_TRUE(other.finish().ok());
  EXPECT_NE(other.rows, whole.rows);
}

TEST(Generator, RefusesWhatItCannotMake) {
  SourceReader reader{columns, options(), "/tmp", true};
  reader.options.erase("rows");
  EXPECT_EQ(reader.open("generator").error().code, Code::bad_config);
  reader.options = options();
  reader.options["column.amount"] = "uniform(1)";
  EXPECT_EQ(reader.open("generator").error().code, Code::bad_config);
  reader.options = options();
  reader.options["column.nosuch"] = "sequence";
  EXPECT_EQ(reader.open("generator").error().code, Code::bad_config);
}

}  // namespace
}  // namespace headrace
