// A project directory as read from disk: headrace.toml, sql/*.sql, contracts/*, functions/*.py, dashboards/*.toml, with
// ${NAME} replaced from profile and environment. Nothing is parsed here but TOML.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"

namespace headrace {

struct ProjectFile {
  std::string path;  ///< Relative to the project: "sql/pipeline.sql".
  std::string text;  ///< With variables replaced (sql only).
};

enum class ExpectationAction : uint8_t { warn, drop, quarantine, fail };

/// One line of a contract: an SQL condition that a row must meet (NULL counts as met, as with CHECK).
struct Expectation {
  std::string name;
  std::string condition;
  ExpectationAction action = ExpectationAction::quarantine;
  Location at;
};

/// contracts/NAME.toml: `source = "flights"` (default: the file's name), `extra_fields = "ignore" | "quarantine"`,
/// `not_null = ["a"]`, [[expect]] name, check, action.
struct Contract {
  std::string source;
  bool reject_extra_fields = false;
  std::vector<std::string> not_null;
  std::vector<Expectation> expectations;
  Location at;
};

struct Project {
  std::string directory;
  std::string name;  ///< From headrace.toml, else the folder's name.
  std::map<std::string, std::string>
      settings;                  ///< Flat, with the profile's over the others: "engine.shards" ... (setting.h)
  std::vector<ProjectFile> sql;  ///< In file-name order.
  std::vector<Contract> contracts;
  std::vector<ProjectFile> dashboards;
  std::vector<std::string> functions;  ///< Paths, relative.
  std::vector<std::string>
      secrets;  ///< Values of 4 bytes or more that came from the environment: never to be printed (redact()).
};

/// Reads the project with all errors at once. `profile` "" = none. Variables: [profiles.NAME.variables], then the
/// environment. A variable in a comment is left alone; $${ stands for ${. Relative file paths in error places are
/// relative to the project.
struct LoadedProject {
  Project project;
  std::vector<Error> errors;
};
LoadedProject load_project(const std::string& directory, const std::string& profile);

/// Replaces every secret in `text` by "***".
std::string redact(const Project& project, std::string text);

}  // namespace headrace
