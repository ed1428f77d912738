// Reading, planning and checking a project, with every error at once.
#include "base/text.h"
#include "plan/optimize.h"
#include "run/engine.h"
#include "run/file_conflicts.h"

namespace headrace {
namespace {

/// Times too far ahead are refused, but for files that are read as history.
void set_future_bound(SourceNode& source) {
  auto option = source.options.find("max_future");
  if (option != source.options.end()) {
    if (Result<int64_t> parsed = parse_duration_ms(option->second)) source.max_future_ms = *parsed;
    return;
  }
  auto mode = source.options.find("mode");
  const bool history = source.connector == "generator" || source.connector == "fed" ||
                       (source.connector == "file" && (mode == source.options.end() || mode->second != "follow"));
  source.max_future_ms = history ? 0 : 86'400'000;
}

/// A door has checked the contract already when its rows come out of the log.
void leave_contract_to_door(SourceNode& source) {
  if (source.connector == "http" || source.connector == "log") source.expectations.clear();
}

/// A sink's connector and options. From its statement: a query that cannot be planned must not hide them.
Result<> check_sink(const CreateSink& sink) {
  std::map<std::string, std::string> given;
  for (const auto& [key, option] : sink.options) given[key] = option.value;
  auto connector = given.find("connector");
  if (connector == given.end()) return {};  // The planner has said so.
  HEADRACE_ASSIGN(const ConnectorSpec* spec, find_connector(connector->second));
  if (spec->make_sink == nullptr)
    return user_error(Code::bad_config, "connector '" + connector->second + "' has no sink");
  given.erase(connector);
  given.erase("on_error");
  Result<Options> checked = check_options("sink '" + sink.name + "'", spec->sink_fields, given);
  return checked ? Result<>() : std::move(checked).error();
}

/// What a sink cannot hold of the columns that its query gives.
Result<> check_columns(const SinkNode& sink) {
  Result<const ConnectorSpec*> spec = find_connector(sink.connector);
  if (!spec || (*spec)->check_columns == nullptr) return {};
  Result<Options> options = check_options("sink '" + sink.name + "'", (*spec)->sink_fields, sink.options);
  return options ? (*spec)->check_columns(*options, *sink.output.schema()) : Result<>();  // check_sink has said it.
}

/// Options and connectors of every source and sink, without opening anything.
void check_connectors(const PipelineOptions& options, FunctionHost* functions, const std::vector<Statement>& statements,
                      const Plan& plan, std::vector<Error>& errors) {
  InputContext context{options.project_directory,
                       options.state_directory,
                       options.until_end,
                       options.speed,
                       &system_clock(),
                       functions,
                       [] {}};
  for (const Node& node : plan.nodes)
    if (auto* source = std::get_if<SourceNode>(&node))
      if (Result<std::unique_ptr<SourceInput>> made = SourceInput::make(*source, context); !made)
        errors.push_back(std::move(made).error());
  for (const Statement& statement : statements)
    if (auto* sink = std::get_if<CreateSink>(&statement))
      if (Result<> checked = check_sink(*sink); !checked)
        errors.push_back(Error(std::move(checked).error()).with_location(sink->at));
  for (const Node& node : plan.nodes)
    if (auto* sink = std::get_if<SinkNode>(&node))
      if (Result<> checked = check_columns(*sink); !checked)
        errors.push_back(Error(std::move(checked).error()).with_location(sink->at));
  for (Error& error : file_conflicts(options.project_directory, statements)) errors.push_back(std::move(error));
}

}  // namespace

CheckedProject check_statements(const PipelineOptions& options, Project project,
                                const std::vector<Statement>& statements) {
  CheckedProject out;
  out.project = std::move(project);
  out.functions = options.functions;
  if (out.functions == nullptr && !out.project.functions.empty()) {
    FunctionHostOptions host;
    auto python = out.project.settings.find("engine.python");
    host.python = python == out.project.settings.end() ? options.python : python->second;
    host.project_directory = options.project_directory;
    Result<std::unique_ptr<FunctionHost>> functions = start_function_host(host);
    if (functions)
      out.functions = *std::move(functions);
    else
      out.errors.push_back(std::move(functions).error());
  }
  out.planned = plan_project(out.project, statements, out.functions.get());
  for (Error& error : out.planned.errors) out.errors.push_back(std::move(error));
  out.planned.errors.clear();
  for (Node& node : out.planned.plan.nodes)
    if (auto* source = std::get_if<SourceNode>(&node)) set_future_bound(*source);
  check_connectors(options, out.functions.get(), statements, out.planned.plan, out.errors);
  if (!out.errors.empty()) return out;
  auto optimized = out.project.settings.find("engine.optimize");
  const bool as_written = optimized != out.project.settings.end() && optimized->second == "false";
  out.optimized = as_written ? without_unread(out.planned.plan) : optimize(out.planned.plan);
  for (Node& node : out.optimized.nodes)
    if (auto* source = std::get_if<SourceNode>(&node)) leave_contract_to_door(*source);
  return out;
}

CheckedProject check_project(const PipelineOptions& options) {
  LoadedProject loaded = load_project(options.project_directory, options.profile);
  std::vector<Error> errors = std::move(loaded.errors);
  std::vector<Statement> statements;
  for (const ProjectFile& file : loaded.project.sql) {
    ParsedFile parsed = parse_statements(file.text, file.path);
    for (Error& error : parsed.errors) errors.push_back(std::move(error));
    for (Statement& statement : parsed.statements) statements.push_back(std::move(statement));
  }
  CheckedProject out = check_statements(options, std::move(loaded.project), statements);
  out.errors.insert(out.errors.begin(), std::make_move_iterator(errors.begin()), std::make_move_iterator(errors.end()));
  return out;
}

std::unique_ptr<Pipeline> make_engine(const PipelineOptions& options, CheckedProject project) {
  return std::make_unique<Engine>(options, std::move(project));
}

}  // namespace headrace
