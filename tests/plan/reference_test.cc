// The pages docs/reference/sql.md and project.md say nothing that the parser does not take.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "plan/statement.h"

namespace headrace {
namespace {

/// The page with everything blanked out but its ```sql blocks, so that lines stay what they are.
std::string examples(const std::string& page) {
  std::string out;
  bool inside = false;
  for (size_t at = 0; at < page.size();) {
    size_t end = std::min(page.find('\n', at), page.size());
    std::string_view line(page.data() + at, end - at);
    if (line == "```sql")
      inside = true;
    else if (line == "```")
      inside = false;
    else if (inside)
      out += line;
    out += '\n';
    at = end + 1;
  }
  return out;
}

TEST(Reference, ExamplesParse) {
  for (const char* page : {"docs/reference/sql.md", "docs/reference/project.md"}) {
    Result<std::string> text = read_file(std::string(HEADRACE_ROOT "/") + page);
    ASSERT_TRUE(text.ok()) << page;
    ParsedFile file = parse_statements(examples(*text), page);
    EXPECT_THAT(file.statements, ::testing::Not(::testing::IsEmpty()));
    for (const Error& error : file.errors) ADD_FAILURE() << error.text();
  }
}

}  // namespace
}  // namespace headrace
