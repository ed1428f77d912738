// The program: reads the command line and runs one command. What each command does is in its own file.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>

#include "app/command.h"
#include "base/text.h"
#include "connect/spec.h"
#include "lake/lake.h"

namespace headrace {
namespace {

constexpr const char* version = "0.1.0";

void add_project(CLI::App& command, ProjectOptions& options) {
  command.add_option("directory", options.directory, "The project's folder")->default_str(".");
  command.add_option("--state", options.state, "Folder of the durable state (default: DIRECTORY/.headrace)");
  command.add_option("--profile", options.profile, "Profile of headrace.toml, such as dev or production");
}

void add_run(CLI::App& command, ProjectOptions& options) {
  command.add_flag("--until-end", options.until_end,
                   "Read every source to its end, close all windows, print the books, exit");
  command
      .add_option_function<std::string>(
          "--for",
          [&options](const std::string& text) {
            Result<int64_t> ms = parse_duration_ms(text);
            if (!ms || *ms <= 0)
              throw CLI::ValidationError("--for", "'" + text + "' is not a duration such as 60s or 5min");
            options.for_seconds = static_cast<double>(*ms) / 1000;
          },
          "Stop after so long, such as 60s or 5min")
      ->type_name("DURATION");
  command.add_option("--shards", options.shards, "Threads that share the work (default: one per core)")
      ->check(CLI::Range(1, 1024));
  command
      .add_option("--listen", options.listen, "HOST:PORT of the console and the API; loopback unless you say otherwise")
      ->capture_default_str();
  command.add_flag("!--no-listen", options.serve, "Do not listen at all");
  command
      .add_option("--speed", options.speed,
                  "Replay so many seconds of event time per second (overrides the sources' own)")
      ->check(CLI::PositiveNumber);
  command.add_flag("--json-log", options.json_log, "Log lines as JSON, also on a terminal");
}

/// Tells which option or command an unknown word of the command line was meant to be.
void name_the_nearest(const CLI::App& app, const std::vector<std::string>& words) {
  const auto chosen = app.get_subcommands();
  const CLI::App& command = chosen.empty() ? app : *chosen.front();
  std::vector<std::string> known;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  if (chosen.empty())
    for (const CLI::App* other : app.get_subcommands([](const CLI::App*) { return true; }))
      known.push_back(other->get_name());
  for (const std::string& word : words) {
    const std::string name = word.substr(0, word.find('='));
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    if (!chosen.empty() && name.rfind("--", 0) != 0) continue;
    if (const std::string nearest = nearest_name(name, known); !nearest.empty())
      std::fprintf(stderr, "%s: did you mean %s?\n", name.c_str(), nearest.c_str());
  }
}

int main_command(int argc, char** argv) {
  register_lake_connectors();
  use_lake_python(python_interpreter(), {});
  CLI::App app(
      "Headrace: real-time analytics in SQL and Python.\nA pipeline is a folder: sql/*.sql, functions/*.py, "
      "contracts/*, dashboards/*.");
  app.set_version_flag("--version", std::string("headrace ") + version);
  app.require_subcommand(0, 1);
  app.get_formatter()->column_width(34);
  ProjectOptions options;
  std::function<int()> chosen;

  CLI::App& run = *app.add_subcommand("run", "Run a pipeline; Ctrl-C stops it, and the next run goes on where it was");
  add_project(run, options);
  add_run(run, options);
  run.callback([&] { chosen = [&] { return run_command(options); }; });

  CLI::App& demo = *app.add_subcommand(
      "demo", "Replay a year of departures from New York: joins, windows, a model, alerts, a lake table");
  demo.add_option("--state", options.state, "Folder of the durable state (default: ~/.cache/headrace/demo/state)");
  add_run(demo, options);
  demo.callback([&] { chosen = [&] { return demo_command(options); }; });

  CLI::App& check =
      *app.add_subcommand("check", "Show every error of a project's SQL, configuration and functions at once");
  add_project(check, options);
  bool cuts = false;
  std::string rows_file;
  CLI::Option* with_cuts = check.add_flag(
      "--cuts", cuts, "Run process functions over several cuts of rows: what is left must not depend on it");
  check.add_option("--rows", rows_file, "Rows for --cuts: .parquet, .csv, .ndjson or .arrow (default: by chance)")
      ->needs(with_cuts);
  check.callback([&] { chosen = [&] { return check_command(options, cuts, rows_file); }; });

  bool json = false;
  CLI::App& explain =
      *app.add_subcommand("explain", "Show the plan: nodes, changelog kinds, keys, what state is kept and until when");
  add_project(explain, options);
  explain.add_flag("--json", json, "The documented JSON form");
  explain.callback([&] { chosen = [&] { return explain_command(options, json); }; });

  CLI::App& plan = *app.add_subcommand(
      "plan",
      "Show what a changed project means for its durable state: what is kept, what is built anew and from where");
  add_project(plan, options);
  plan.add_flag("--json", json, "The same as JSON");
  plan.callback([&] { chosen = [&] { return plan_command(options, json); }; });

  bool allow_loss = false;
  CLI::App& apply =
      *app.add_subcommand("apply", "Bring the durable state over to the changed project; no row is lost or repeated");
  add_project(apply, options);
  apply.add_option("--shards", options.shards, "Threads that share the work (default: one per core)")
      ->check(CLI::Range(1, 1024));
  apply.add_flag("--allow-loss", allow_loss, "Let state begin empty that cannot be built from the sources' past");
  apply.callback([&] { chosen = [&] { return apply_command(options, allow_loss); }; });

  std::string sql, format = "json";
  CLI::App& query = *app.add_subcommand("query", "Ask the last durable state of a pipeline that is not running");
  query.add_option("directory", options.directory, "The project's folder")->required();
  query.add_option("query", sql, "One SELECT")->required();
  query.add_option("--state", options.state, "Folder of the durable state (default: DIRECTORY/.headrace)");
  query.add_option("--profile", options.profile, "Profile of headrace.toml");
  query.add_option("--format", format, "json | csv")->check(CLI::IsMember({"json", "csv"}));
  query.callback([&] { chosen = [&] { return query_command(options, sql, format); }; });

  CLI::App& state = *app.add_subcommand("state", "Look at the durable state on the disk, also while a pipeline runs");
  state.require_subcommand(1);
  std::string table;
  const auto add_state = [&](CLI::App& command) {
    command.add_option("directory", options.directory, "The project's folder")->default_str(".");
    command.add_option("--state", options.state, "Folder of the durable state (default: DIRECTORY/.headrace)");
  };
  CLI::App& state_ls = *state.add_subcommand("ls", "Tables with their rows, blocks and bytes");
  add_state(state_ls);
  state_ls.add_flag("--json", json, "The same as JSON");
  state_ls.callback([&] { chosen = [&] { return state_list_command(options, json); }; });
  CLI::App& state_show = *state.add_subcommand("show", "The rows of one table");
  state_show.add_option("table", table, "As `state ls` names it")->required();
  add_state(state_show);
  state_show.add_option("--format", format, "json | csv")->check(CLI::IsMember({"json", "csv"}));
  state_show.callback([&] { chosen = [&] { return state_show_command(options, table, format); }; });
  CLI::App& state_sql = *state.add_subcommand("sql", "One SELECT over the tables");
  state_sql.add_option("query", sql, "SELECT ... FROM \"3_aggregate_groups\"")->required();
  add_state(state_sql);
  state_sql.add_option("--format", format, "json | csv")->check(CLI::IsMember({"json", "csv"}));
  state_sql.callback([&] { chosen = [&] { return state_sql_command(options, sql, format); }; });

  CLI::App& prompt = *app.add_subcommand("sql", "An SQL prompt on a running engine (\\q ends it)");
  prompt.prefix_command();
  prompt.callback([&] { chosen = [&] { return python_command("headrace.shell", prompt.remaining()); }; });

  CLI::App& quarantine =
      *app.add_subcommand("quarantine", "Refused records of a running engine: ls | show ID | replay [ID ...]");
  quarantine.prefix_command();
  quarantine.callback(
      [&] { chosen = [&] { return python_command("headrace.repair.quarantine", quarantine.remaining()); }; });

  CLI::App& why_open = *app.add_subcommand(
      "why-open", "Why a view's results are not out yet, on a running engine: why-open VIEW [WINDOW], or --help");
  why_open.prefix_command();
  why_open.callback([&] { chosen = [&] { return python_command("headrace.repair.why_open", why_open.remaining()); }; });

  CLI::App& repro = *app.add_subcommand(
      "repro", "Write a pytest folder that makes a failed call of the quarantine again: repro ID [--out DIRECTORY]");
  repro.prefix_command();
  repro.callback([&] { chosen = [&] { return python_command("headrace.repair.repro", repro.remaining()); }; });

  std::string template_name = "minimal", directory;
  CLI::App& init = *app.add_subcommand("init", "Make a first project from a template: minimal, http, fraud");
  std::vector<std::string> init_words;
  init.add_option("words", init_words, "[TEMPLATE] DIRECTORY")->required()->expected(1, 2);
  init.callback([&] {
    chosen = [&] {
      return init_words.size() == 1 ? init_command(template_name, init_words[0])
                                    : init_command(init_words[0], init_words[1]);
    };
  });

  CLI::App& drive = *app.add_subcommand(
      "drive",
      "Feed a project and move its time by JSON lines on standard input; what `pytest` uses (headrace.testing)");
  add_project(drive, options);
  drive.add_option("--shards", options.shards, "Threads that share the work (default: 1)")->check(CLI::Range(1, 1024));
  drive.callback([&] { chosen = [&] { return drive_command(options); }; });

  CLI::App& profile = *app.add_subcommand(
      "profile", "Measure a Python function over rows of a file: flame graph, rows/s, time and memory per row");
  profile.prefix_command();
  profile.callback([&] { chosen = [&] { return python_command("headrace.develop.profile", profile.remaining()); }; });

  CLI::App& dev = *app.add_subcommand(
      "dev",
      "Run a pipeline and take up changed functions and SQL as they are saved: dev [DIRECTORY] [options of run]");
  dev.prefix_command();
  dev.callback([&] { chosen = [&] { return python_command("headrace.develop.dev", dev.remaining()); }; });

  std::vector<std::string> files, ways;
  CLI::App& test = *app.add_subcommand(
      "test", "Run golden tests (.slt): in one piece, row by row, on several shards, restored at every step");
  test.add_option("files", files, "Files, or folders of them")->required();
  test.add_option("--way", ways, "Only so: whole | rows | shards | restore (default: all)")
      ->check(CLI::IsMember({"whole", "rows", "shards", "restore"}));
  test.callback([&] { chosen = [&] { return test_command(files, ways); }; });

  std::string role;
  CLI::App& token = *app.add_subcommand("token", "Tokens for the doors");
  CLI::App& token_new =
      *token.add_subcommand("new", "Make a token and print it once; from then on every door wants one");
  token.require_subcommand(1);
  token_new.add_option("role", role, "reader | writer | admin")
      ->required()
      ->check(CLI::IsMember({"reader", "writer", "admin"}));
  token_new.add_option("directory", options.directory, "The project's folder")->default_str(".");
  token_new.add_option("--state", options.state, "Folder of the durable state (default: DIRECTORY/.headrace)");
  token_new.callback([&] { chosen = [&] { return token_command(options, role); }; });

  std::string shell;
  CLI::App& completion =
      *app.add_subcommand("completion", "Print a completion script: eval \"$(headrace completion bash)\"");
  completion.add_option("shell", shell, "bash | zsh | fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion.callback([&] { chosen = [&] { return completion_command(app, shell); }; });

  std::string page;
  CLI::App& reference = *app.add_subcommand(
      "reference", "Print a generated reference page; without a name, the names of those there are");
  reference.add_option("page", page, "cli | connectors | metrics | openapi")
      ->check(CLI::IsMember({"cli", "connectors", "metrics", "openapi"}));
  reference.callback([&] { chosen = [&] { return reference_command(app, page); }; });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ExtrasError& error) {
    app.exit(error);
    name_the_nearest(app, std::vector<std::string>(argv + 1, argv + argc));
    return exit_wrong;
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? exit_ok : exit_wrong;
  }
  if (!chosen) {
    std::fputs(app.help().c_str(), stdout);
    return exit_ok;
  }
  return chosen();
}

}  // namespace
}  // namespace headrace

int main(int argc, char** argv) {
  return headrace::main_command(argc, argv);
}
