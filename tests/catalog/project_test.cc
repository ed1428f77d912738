// Projects as read from disk: settings, profiles, variables, contracts, and every error with its place.
#include "catalog/project.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace headrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ProjectTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        ::testing::TempDir() + "headrace_project_" + ::testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
  }
  void TearDown() override {
    std::filesystem::remove_all(directory_);
    ::unsetenv("HEADRACE_TEST_SECRET");
  }

  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(directory_ + "/" + path).parent_path());
    std::ofstream(directory_ + "/" + path) << text;
  }

  Project load(const std::string& profile = "") {
    LoadedProject loaded = load_project(directory_, profile);
    for (const Error& error : loaded.errors) ADD_FAILURE() << error.text();
    return loaded.project;
  }

  std::string error(const std::string& profile = "") {
    LoadedProject loaded = load_project(directory_, profile);
    return loaded.errors.size() == 1 ? loaded.errors[0].text() : std::to_string(loaded.errors.size()) + " errors";
  }

  std::string directory_;
};

TEST_F(ProjectTest, ReadsADirectory) {
  write("headrace.toml",
        "name = \"fraud\"\n[engine]\nshards = 4\n[server]\nlisten = \"127.0.0.1:0\"\nallowed_hosts = [\"a\", \"b\"]\n");
  write("sql/20_b.sql", "\xEF\xBB\xBF-- b");
  write("sql/10_a.sql", "-- a");
  write("sql/notes.txt", "not read");
  write("functions/risk.py", "");
  write("dashboards/d.toml", "title = \"D\"");
  Project project = load();
  EXPECT_EQ(project.name, "fraud");
  EXPECT_EQ(project.settings.at("engine.shards"), "4");
  EXPECT_EQ(project.settings.at("server.allowed_hosts"), "a,b");
  ASSERT_THAT(project.sql, SizeIs(2));
  EXPECT_EQ(project.sql[0].path, "sql/10_a.sql");
  EXPECT_EQ(project.sql[1].text, "-- b");
  EXPECT_THAT(project.functions, ElementsAre("functions/risk.py"));
  EXPECT_EQ(project.dashboards.at(0).text, "title = \"D\"");
}

TEST_F(ProjectTest, NeedsNoToml) {
  write("sql/a.sql", "");
  EXPECT_EQ(load().name, "headrace_project_NeedsNoToml");
}

TEST_F(ProjectTest, NeedsSomething) {
  EXPECT_THAT(error(), HasSubstr("error 1003 (bad_project): " + directory_ + " is no project"));
  EXPECT_THAT(load_project(directory_ + "/nowhere", "").errors.at(0).text(), HasSubstr("headrace init"));
  write("headrace.toml", "");
  EXPECT_THAT(error(), HasSubstr("sql/ holds no *.sql file"));
}

TEST_F(ProjectTest, ProfilesOverride) {
  write("sql/a.sql", "-- ${NOBODY}\nSELECT '${WHO}' /* ${NOBODY} */");
  write("headrace.toml",
        "[engine]\nshards = 1\nstate = \"s\"\n[profiles.prod.engine]\nshards = 8\n[profiles.prod.variables]\nWHO = "
        "\"it's me\"\n"
        "[profiles.dev.variables]\nWHO = 3\n[engines.flink]\nanything = 1\n");
  Project project = load("prod");
  EXPECT_EQ(project.settings.at("engine.shards"), "8");
  EXPECT_EQ(project.settings.at("engine.state"), "s");
  EXPECT_EQ(project.sql.at(0).text, "-- ${NOBODY}\nSELECT 'it''s me' /* ${NOBODY} */");
  EXPECT_THAT(project.secrets, IsEmpty());
  EXPECT_EQ(load("dev").sql.at(0).text, "-- ${NOBODY}\nSELECT '3' /* ${NOBODY} */");
  EXPECT_THAT(error(), HasSubstr("sql/a.sql:2:9: error 1006 (missing_variable): the variable WHO is not set\n  remedy: "
                                 "set it in the environment"));
  EXPECT_THAT(load_project(directory_, "prot").errors.at(0).text(), HasSubstr("did you mean 'prod'?"));
}

TEST_F(ProjectTest, VariablesOfTheEnvironmentAreSecrets) {
  ::setenv("HEADRACE_TEST_SECRET", "hunter22", 1);
  write("sql/a.sql",
        "WITH (password = '${HEADRACE_TEST_SECRET}', literal = '$${X}', \"--\" = ${HEADRACE_TEST_SECRET})");
  Project project = load();
  EXPECT_EQ(project.sql.at(0).text, "WITH (password = 'hunter22', literal = '${X}', \"--\" = hunter22)");
  EXPECT_THAT(project.secrets, ElementsAre("hunter22"));
  EXPECT_EQ(redact(project, "no hunter22hunter22!"), "no ******!");
  write("sql/a.sql", "SELECT '${A B}'");
  EXPECT_THAT(error(), HasSubstr("sql/a.sql:1:9: error 2001"));
}

TEST_F(ProjectTest, UnknownKeysAreErrors) {
  write("sql/a.sql", "");
  write("headrace.toml", "nane = \"x\"");
  EXPECT_THAT(error(), HasSubstr("headrace.toml:1:1: error 1002 (unknown_option): there is no key 'nane' here\n  "
                                 "remedy: did you mean 'name'?"));
  write("headrace.toml", "[engine]\nshrads = 3");
  EXPECT_THAT(error(), HasSubstr("headrace.toml:2:1: error 1002 (unknown_option): there is no key 'shrads' here\n  "
                                 "remedy: did you mean 'shards'?"));
  write("headrace.toml", "[engine]\nshards = \"3\"");
  EXPECT_THAT(error(), HasSubstr("headrace.toml:2:10: error 1001 (bad_config): engine.shards is a whole number"));
  write("headrace.toml", "[profiles.dev]\nshards = 3");
  EXPECT_THAT(error(), HasSubstr("headrace.toml:2:1"));
  write("headrace.toml", "name = ");
  EXPECT_THAT(error(), HasSubstr("headrace.toml:1:8: error 1001"));
}

TEST_F(ProjectTest, Contracts) {
  write("sql/a.sql", "");
  write("contracts/tx.toml",
        "extra_fields = \"quarantine\"\nnot_null = [\"a\", \"b\"]\n[[expect]]\nname = \"positive\"\ncheck = \"a > 0\"\n"
        "[[expect]]\nname = \"small\"\ncheck = \"a < 9\"\naction = \"warn\"\n");
  write("contracts/z.toml", "source = \"other\"");
  Project project = load();
  ASSERT_THAT(project.contracts, SizeIs(2));
  const Contract& contract = project.contracts[0];
  EXPECT_EQ(contract.source, "tx");
  EXPECT_TRUE(contract.reject_extra_fields);
  EXPECT_THAT(contract.not_null, ElementsAre("a", "b"));
  ASSERT_THAT(contract.expectations, SizeIs(2));
  EXPECT_EQ(contract.expectations[0].condition, "a > 0");
  EXPECT_EQ(contract.expectations[0].action, ExpectationAction::quarantine);
  EXPECT_EQ(contract.expectations[0].at.text(), "contracts/tx.toml:5:10");
  EXPECT_EQ(contract.expectations[1].action, ExpectationAction::warn);
  EXPECT_EQ(project.contracts[1].source, "other");
}

TEST_F(ProjectTest, AllErrorsOfAContract) {
  write("sql/a.sql", "");
  write("contracts/tx.toml",
        "sorce = \"x\"\nextra_fields = \"drop\"\nnot_null = \"a\"\n[[expect]]\ncheck = \"a > 0\"\n[[expect]]\nname = "
        "\"n\"\ncheck = \"b\"\naction = \"stop\"\n");
  LoadedProject loaded = load_project(directory_, "");
  EXPECT_THAT(loaded.errors, SizeIs(5));
  for (const Error& error : loaded.errors) {
    EXPECT_EQ(error.code, Code::bad_contract);
    EXPECT_EQ(error.at.file, "contracts/tx.toml");
    EXPECT_GT(error.at.line, 0);
  }
  write("contracts/tx.toml", "source = \"other\"");
  write("contracts/other.toml", "");
  EXPECT_THAT(error(), HasSubstr("a second contract for other"));
}

}  // namespace
}  // namespace headrace
