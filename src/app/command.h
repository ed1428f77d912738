// The commands of the `headrace` program, one function each, and what they share.
#pragma once

#include <string>
#include <vector>

#include "run/engine.h"

namespace CLI {
class App;
}

namespace headrace {

/// Exit codes (docs/reference/cli.md).
enum ExitCode : int { exit_ok = 0, exit_failed = 1, exit_wrong = 2, exit_stopped = 130 };

/// Options that several commands take.
struct ProjectOptions {
  std::string directory = ".";
  std::string state;  ///< "" = DIRECTORY/.headrace
  std::string profile;
  std::string listen = "127.0.0.1:8480";
  int32_t shards = 0;
  double speed = 0;
  double for_seconds = 0;  ///< 0 = no end.
  bool until_end = false;
  bool serve = true;
  bool json_log = false;

  PipelineOptions pipeline() const;
  /// What headrace.toml says of the engine, where the command line says nothing.
  PipelineOptions pipeline(const Project& project) const;
  std::string state_directory() const;
  /// Takes engine.state of headrace.toml, unless the command line names a state directory.
  void take_state(const Project& project);
};

/// Where the program finds its console, examples and Python package: HEADRACE_SHARE, else beside the binary.
std::string share_directory();
/// The interpreter that has the headrace package: HEADRACE_PYTHON, else python3.
std::string python_interpreter();

/// Holds the address that a running engine listens on.
std::string address_file(const std::string& state_directory);

/// Prints errors to standard error, with a count; gives exit_wrong.
int report(const std::vector<Error>& errors);
/// The exit code for an error at run time.
int report_failure(const Error& error);

int run_command(ProjectOptions options);
int demo_command(ProjectOptions options);
/// With `cuts`, process functions are run over several cuts of rows, from the file `rows` or by chance.
int check_command(const ProjectOptions& options, bool cuts, const std::string& rows);
int plan_command(ProjectOptions options, bool json);
int apply_command(ProjectOptions options, bool allow_loss);
int explain_command(const ProjectOptions& options, bool json);
int query_command(ProjectOptions options, const std::string& sql, const std::string& format);
int state_list_command(const ProjectOptions& options, bool json);
int state_show_command(const ProjectOptions& options, const std::string& table, const std::string& format);
int state_sql_command(const ProjectOptions& options, const std::string& sql, const std::string& format);
int drive_command(const ProjectOptions& options);
int init_command(const std::string& template_name, const std::string& directory);
int token_command(const ProjectOptions& options, const std::string& role);
int completion_command(const CLI::App& app, const std::string& shell);
int reference_command(const CLI::App& app, const std::string& page);
int test_command(const std::vector<std::string>& files, const std::vector<std::string>& ways);
/// Replaces this process by `python -m module arguments...`.
int python_command(const std::string& module, const std::vector<std::string>& arguments);

}  // namespace headrace
