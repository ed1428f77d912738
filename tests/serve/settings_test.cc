#include "serve/settings.h"

#include <gtest/gtest.h>

namespace headrace {
namespace {

TEST(Settings, AreTakenFromTheProject) {
  Project project;
  project.settings = {{"server.listen", "127.0.0.1:9000"},
                      {"server.allowed_hosts", "a.example,b.example"},
                      {"server.queries_max", "2"}};
  project.dashboards.push_back({"dashboards/a.toml", ""});
  ServerOptions options;
  ASSERT_TRUE(take_settings(project, options).ok());
  EXPECT_EQ(options.listen, "127.0.0.1:9000");
  EXPECT_EQ(options.allowed_hosts, (std::vector<std::string>{"a.example", "b.example"}));
  EXPECT_EQ(options.queries_max, 2);
  EXPECT_EQ(options.max_body_bytes, ServerOptions().max_body_bytes);
  EXPECT_EQ(options.dashboards.size(), 1u);
}

TEST(Settings, ALimitIsPositive) {
  Project project;
  project.settings = {{"server.query_rows_max", "0"}};
  ServerOptions options;
  EXPECT_EQ(take_settings(project, options).error().code, Code::bad_config);
}

}  // namespace
}  // namespace headrace
