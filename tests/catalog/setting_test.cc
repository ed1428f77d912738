// The settings as the page docs/reference/project.md lists them.
#include "catalog/setting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file.h"

namespace headrace {
namespace {

TEST(Setting, ThePageListsEveryOne) {
  Result<std::string> page = read_file(HEADRACE_ROOT "/docs/reference/project.md");
  ASSERT_TRUE(page.ok());
  for (const Setting& setting : all_settings()) {
    EXPECT_THAT(*page, ::testing::HasSubstr("| `" + std::string(setting.name) + "` |"));
    EXPECT_THAT(*page, ::testing::HasSubstr("| " + std::string(setting.summary) + " |"));
  }
}

}  // namespace
}  // namespace headrace
