#include "app/command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "base/json_text.h"
#include "base/log_line.h"
#include "serve/access.h"
#include "serve/server.h"
#include "udf/fields_json.h"

namespace headrace {

std::string ProjectOptions::state_directory() const {
  return state.empty() ? directory + "/.headrace" : state;
}

PipelineOptions ProjectOptions::pipeline() const {
  PipelineOptions out;
  out.project_directory = directory;
  out.state_directory = state_directory();
  out.shards = shards;
  out.until_end = until_end;
  out.profile = profile;
  out.speed = speed;
  out.python = python_interpreter();
  return out;
}

void ProjectOptions::take_state(const Project& project) {
  auto found = project.settings.find("engine.state");
  if (state.empty() && found != project.settings.end()) state = directory + "/" + found->second;
}

PipelineOptions ProjectOptions::pipeline(const Project& project) const {
  PipelineOptions out = pipeline();
  auto setting = [&](const char* name) {
    auto found = project.settings.find(name);
    return found == project.settings.end() ? std::string() : found->second;
  };
  if (shards == 0 && !setting("engine.shards").empty()) out.shards = std::atoi(setting("engine.shards").c_str());
  if (speed == 0 && !setting("engine.speed").empty()) out.speed = std::atof(setting("engine.speed").c_str());
  if (!setting("engine.checkpoint_interval_ms").empty())
    out.checkpoint_interval_ms = std::atoll(setting("engine.checkpoint_interval_ms").c_str());
  if (!setting("engine.state_memory_bytes").empty())
    out.state_memory_bytes = std::atoll(setting("engine.state_memory_bytes").c_str());
  if (!setting("engine.source_drift_ms").empty())
    out.source_drift_ms = std::atoll(setting("engine.source_drift_ms").c_str());
  return out;
}

std::string address_file(const std::string& state_directory) {
  return state_directory + "/address";
}

std::string share_directory() {
  if (const char* given = std::getenv("HEADRACE_SHARE")) return given;
  std::error_code error;
  std::filesystem::path binary = std::filesystem::read_symlink("/proc/self/exe", error);
  // build/headrace in a clone; share/ beside the binary in a wheel.
  for (const std::filesystem::path& place : {binary.parent_path() / "share", binary.parent_path().parent_path()})
    if (std::filesystem::exists(place / "examples", error)) return place.string();
  return binary.parent_path().string();
}

std::string python_interpreter() {
  const char* given = std::getenv("HEADRACE_PYTHON");
  return given != nullptr && *given != '\0' ? given : "python3";
}

int report(const std::vector<Error>& errors) {
  for (const Error& error : errors) std::fprintf(stderr, "%s\n", error.text().c_str());
  std::fprintf(stderr, "%zu error%s\n", errors.size(), errors.size() == 1 ? "" : "s");
  return exit_wrong;
}

int report_failure(const Error& error) {
  std::fprintf(stderr, "%s\n", error.text().c_str());
  const int number = static_cast<int>(error.code);
  // A wrong project or option is the user's to mend before anything runs; everything else failed at run time.
  const bool wrong = error.blame == Blame::user && (number / 1000 == 1 || number / 1000 == 2);
  return wrong ? exit_wrong : exit_failed;
}

namespace {

/// Runs each process function over the columns of its table, cut in several ways.
int check_cuts(const std::string& directory, const std::vector<FunctionDescription>& functions,
               const std::string& rows) {
  std::string calls;
  for (const FunctionDescription& function : functions)
    if (function.kind == FunctionKind::process && !function.rows.empty())
      calls += fmt::format(R"({}{{"function":{},"python":{},"rows":{}}})", calls.empty() ? "" : ",",
                           json_string(function.name), json_string(function.python), fields_json(function.rows));
  std::vector<std::string> words{"--project", directory, "--calls", "[" + calls + "]"};
  if (!rows.empty()) words.insert(words.end(), {"--rows", rows});
  std::fflush(stdout);
  return python_command("headrace.develop.cuts", words);
}

}  // namespace

int check_command(const ProjectOptions& options, bool cuts, const std::string& rows) {
  CheckedProject project = check_project(options.pipeline());
  if (!project.errors.empty()) return report(project.errors);
  for (const Error& warning : project.planned.warnings)
    std::fprintf(stderr, "%s: warning %d (%s): %s\n  remedy: %s\n", warning.at.text().c_str(),
                 static_cast<int>(warning.code), std::string(name_of(warning.code)).c_str(), warning.message.c_str(),
                 warning.remedy.c_str());
  size_t views = 0, sinks = 0, sources = 0;
  for (const Node& node : project.planned.plan.nodes) {
    views += std::holds_alternative<ViewNode>(node);
    sinks += std::holds_alternative<SinkNode>(node);
    sources += std::holds_alternative<SourceNode>(node);
  }
  const size_t functions = project.functions ? project.functions->functions().size() : 0;
  std::printf("%s is right: %zu sources, %zu views, %zu sinks, %zu functions\n", project.project.name.c_str(), sources,
              views, sinks, functions);
  if (!cuts) return exit_ok;
  return check_cuts(options.directory,
                    project.functions ? project.functions->functions() : std::vector<FunctionDescription>(), rows);
}

int token_command(const ProjectOptions& options, const std::string& role) {
  Result<> made = make_directories(options.state_directory());
  if (!made) return report_failure(made.error());
  Result<std::string> token = create_token(options.state_directory(), *role_named(role), system_clock());
  if (!token) return report_failure(token.error());
  std::printf("%s\n", token->c_str());
  std::fprintf(stderr, "A %s's token; it is shown only now. Send it as: Authorization: Bearer TOKEN\n", role.c_str());
  return exit_ok;
}

int init_command(const std::string& template_name, const std::string& directory) {
  namespace fs = std::filesystem;
  const fs::path templates = fs::path(share_directory()) / "examples" / "templates";
  std::error_code error;
  if (!fs::is_directory(templates / template_name, error)) {
    std::string known;
    for (const auto& entry : fs::directory_iterator(templates, error))
      known += (known.empty() ? "" : ", ") + entry.path().filename().string();
    return report_failure(
        user_error(Code::bad_config, "there is no template '" + template_name + "'").with_remedy("one of: " + known));
  }
  if (fs::exists(directory, error) && !fs::is_empty(directory, error))
    return report_failure(
        user_error(Code::bad_config, directory + " is there already and not empty").with_remedy("name a new folder"));
  fs::create_directories(directory, error);
  if (!error) fs::copy(templates / template_name, directory, fs::copy_options::recursive, error);
  if (error) return report_failure(errno_error("copy to " + directory, error.value()));
  std::printf("Made %s. Next:\n  headrace check %s\n  headrace run %s\n", directory.c_str(), directory.c_str(),
              directory.c_str());
  return exit_ok;
}

int python_command(const std::string& module, const std::vector<std::string>& arguments) {
  // So that what it starts is this program again.
  std::error_code none;
  ::setenv("HEADRACE_BIN", std::filesystem::read_symlink("/proc/self/exe", none).c_str(), 0);
  std::vector<std::string> words{python_interpreter(), "-m", module};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execvp(pointers[0], pointers.data());
  return report_failure(errno_error("start " + words[0], errno));
}

int completion_command(const CLI::App& app, const std::string& shell) {
  std::string commands;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    commands += command->get_name() + " ";
  auto words_of = [&](const CLI::App& command) {
    std::string out;
    for (const CLI::Option* option : command.get_options())
      for (const std::string& name : option->get_lnames()) out += "--" + name + " ";
    for (const CLI::App* sub : command.get_subcommands([](const CLI::App*) { return true; }))
      out += sub->get_name() + " ";
    return out;
  };
  if (shell == "fish") {
    std::printf("complete -c headrace -n __fish_use_subcommand -f -a '%s'\n", commands.c_str());
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
      std::printf("complete -c headrace -n '__fish_seen_subcommand_from %s' -a '%s'\n", command->get_name().c_str(),
                  words_of(*command).c_str());
    return exit_ok;
  }
  if (shell == "zsh") std::printf("autoload -U +X bashcompinit && bashcompinit\n");
  std::printf("_headrace() {\n  local word=${COMP_WORDS[COMP_CWORD]}\n  case ${COMP_WORDS[1]} in\n");
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    std::printf("    %s) COMPREPLY=($(compgen -W '%s' -- \"$word\") $(compgen -d -- \"$word\"));;\n",
                command->get_name().c_str(), words_of(*command).c_str());
  std::printf(
      "  esac\n  [ \"$COMP_CWORD\" = 1 ] && COMPREPLY=($(compgen -W '%s' -- \"$word\"))\n}\ncomplete -o filenames -F "
      "_headrace headrace\n",
      commands.c_str());
  return exit_ok;
}

namespace {

std::string kind_word(FieldKind kind) {
  static constexpr const char* words[] = {"text",     "integer", "number",  "boolean",
                                          "duration", "choice",  "columns", "character"};
  return words[static_cast<int>(kind)];
}

std::string fields_table(std::span<const ConfigField> fields) {
  std::string out = "| option | form | default | meaning |\n|---|---|---|---|\n";
  for (const ConfigField& field : fields)
    out += fmt::format("| `{}` | {} | {} | {} |\n", field.name, kind_word(field.kind),
                       field.required           ? "(must be given)"
                       : field.fallback.empty() ? ""
                                                : fmt::format("`{}`", field.fallback),
                       field.summary);
  return out + "\n";
}

std::string connectors_page() {
  std::string out = "# Connectors\n\nMade from the connectors' own tables by `headrace reference connectors`.\n\n";
  for (const ConnectorSpec* spec : all_connectors()) {
    out += fmt::format("## {}\n\n{} Guarantee: {}.\n\n", spec->name, spec->summary,
                       spec->guarantee == Guarantee::exactly_once ? "exactly once" : "at least once");
    if (spec->make_source) out += "As a source:\n\n" + fields_table(spec->source_fields);
    if (spec->make_sink) out += "As a sink:\n\n" + fields_table(spec->sink_fields);
  }
  return out;
}

std::string cli_page(const CLI::App& app) {
  std::string out =
      "# The command line\n\nMade by `headrace reference cli`.\n\nExit codes: 0 done, 1 a failure at run time, 2 a "
      "wrong project or option, 130 stopped.\n\n";
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    out += fmt::format("## headrace {}\n\n```\n{}```\n\n", command->get_name(), command->help("headrace"));
  return out;
}

}  // namespace

int reference_command(const CLI::App& app, const std::string& page) {
  std::string text;
  if (page.empty()) text = "cli\nconnectors\nmetrics\n";
  if (page == "cli") text = cli_page(app);
  if (page == "connectors") text = connectors_page();
  if (page == "metrics") text = metrics_reference();
  if (page == "openapi") text = openapi_json();
  std::fputs(text.c_str(), stdout);
  return exit_ok;
}

}  // namespace headrace
