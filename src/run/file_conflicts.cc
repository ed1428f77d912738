#include "run/file_conflicts.h"

#include <fnmatch.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/file.h"

namespace headrace {
namespace {

namespace fs = std::filesystem;

/// The option `path` of a statement over files, without "." and "..".
std::optional<std::string> path_of(const std::string& directory, const OptionTexts& options) {
  const auto connector = options.find("connector"), path = options.find("path");
  if (connector == options.end() || connector->second.value != "file" || path == options.end()) return std::nullopt;
  return (fs::path(directory) / path->second.value).lexically_normal().string();
}

bool same_file(const std::string& a, const std::string& b) {
  std::error_code missing;
  return a == b || fs::equivalent(a, b, missing);
}

/// `pattern` is the path of a source: a file or a glob, whose matches may be there or yet to be made.
bool reads(const std::string& pattern, const std::string& file) {
  if (::fnmatch(pattern.c_str(), file.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0) return true;
  const Result<std::vector<std::string>> there = glob_files(pattern);
  return there && std::any_of(there->begin(), there->end(), [&](const auto& match) { return same_file(match, file); });
}

Error conflict(const CreateSink& sink, const std::string& why, const std::string& remedy) {
  return user_error(Code::bad_config, "sink '" + sink.name + "' writes " + sink.options.at("path").value + ", " + why)
      .with_remedy(remedy)
      .with_location(sink.at);
}

}  // namespace

std::vector<Error> file_conflicts(const std::string& project_directory, const std::vector<Statement>& statements) {
  std::vector<Error> out;
  std::vector<std::pair<std::string, std::string>> written;  // Path and the sink that writes it.
  for (const Statement& statement : statements) {
    const auto* sink = std::get_if<CreateSink>(&statement);
    if (sink == nullptr) continue;
    const std::optional<std::string> file = path_of(project_directory, sink->options);
    if (!file) continue;
    for (const auto& [path, other] : written)
      if (same_file(path, *file))
        out.push_back(conflict(*sink, "as sink '" + other + "' does: one would destroy the other's rows",
                               "give each sink a file of its own, or write one sink over UNION ALL"));
    written.emplace_back(*file, sink->name);
    for (const Statement& read : statements)
      if (const auto* source = std::get_if<CreateSource>(&read))
        if (const auto pattern = path_of(project_directory, source->options); pattern && reads(*pattern, *file))
          out.push_back(conflict(*sink, "which source '" + source->name + "' reads: its rows would be destroyed",
                                 "let the sink write a file that no source's path names"));
  }
  return out;
}

}  // namespace headrace
