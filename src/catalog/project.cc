#include "catalog/project.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/file.h"
#include "base/text.h"
#include "catalog/contract.h"
#include "catalog/setting.h"
#include "catalog/toml_file.h"
#include "catalog/variables.h"

namespace headrace {
namespace {

constexpr const char* toml_path = "headrace.toml";

std::optional<std::string> scalar_text(const toml::node& node, SettingKind kind) {
  switch (kind) {
    case SettingKind::text:
      if (const auto* text = node.as_string()) return text->get();
      return {};
    case SettingKind::integer:
      if (const auto* number = node.as_integer()) return std::to_string(number->get());
      return {};
    case SettingKind::real:
      if (const auto* number = node.as_integer()) return std::to_string(number->get());
      if (const auto* number = node.as_floating_point()) return std::to_string(number->get());
      return {};
    case SettingKind::texts: {
      const toml::array* list = node.as_array();
      if (list == nullptr) return {};
      std::string joined;
      for (const toml::node& item : *list) {
        const auto* text = item.as_string();
        if (text == nullptr) return {};
        joined += (joined.empty() ? "" : ",") + text->get();
      }
      return joined;
    }
    case SettingKind::boolean:
      if (const auto* flag = node.as_boolean()) return flag->get() ? "true" : "false";
      return {};
  }
  return {};
}

std::string_view wanted(SettingKind kind) {
  switch (kind) {
    case SettingKind::text:
      return "a text in quotes";
    case SettingKind::integer:
      return "a whole number";
    case SettingKind::real:
      return "a number";
    case SettingKind::texts:
      return "a list of texts";
    case SettingKind::boolean:
      return "true or false";
  }
  return "";
}

class ProjectLoader {
 public:
  ProjectLoader(const std::string& directory, const std::string& profile) : profile_(profile) {
    out_.project.directory = directory;
    std::filesystem::path whole = std::filesystem::path(directory).is_absolute()
                                      ? std::filesystem::path(directory)
                                      : std::filesystem::current_path() / directory;
    whole = whole.lexically_normal();
    out_.project.name = (whole.has_filename() ? whole : whole.parent_path()).filename().string();
  }

  LoadedProject run() && {
    if (!is_project()) return std::move(out_);
    read_settings();
    read_sql();
    read_contracts();
    for (const std::string& path : files("dashboards", ".toml")) read_dashboard(path);
    out_.project.functions = files("functions", ".py");
    std::sort(out_.project.secrets.begin(), out_.project.secrets.end(), [](const std::string& a, const std::string& b) {
      return a.size() != b.size() ? a.size() > b.size() : a < b;
    });
    return std::move(out_);
  }

 private:
  std::string full(const std::string& path) const { return out_.project.directory + "/" + path; }
  void fail(Error error) { out_.errors.push_back(std::move(error)); }

  bool is_project() {
    const std::string& directory = out_.project.directory;
    if (!list_directory(directory)) {
      fail(user_error(Code::bad_project, "there is no directory " + directory)
               .with_remedy("make one with: headrace init " + directory));
      return false;
    }
    if (file_exists(full(toml_path)) || file_exists(full("sql"))) return true;
    fail(user_error(Code::bad_project, directory + " is no project: it has neither headrace.toml nor sql/")
             .with_remedy("make one with: headrace init " + directory));
    return false;
  }

  /// The files of a folder with this ending, in the order of their names; none where the folder is missing.
  std::vector<std::string> files(const std::string& folder, std::string_view ending) {
    std::vector<std::string> out;
    if (!file_exists(full(folder))) return out;
    Result<std::vector<std::string>> names = list_directory(full(folder));
    if (!names) {
      fail(unreadable(std::move(names).error(), folder));
      return out;
    }
    for (const std::string& name : *names)
      if (name[0] != '.' && name.size() > ending.size() &&
          std::string_view(name).substr(name.size() - ending.size()) == ending)
        out.push_back(folder + "/" + name);
    return out;
  }

  Error unreadable(Error error, const std::string& path) const {
    return user_error(Code::bad_project, std::move(error.message)).with_location({path, 0, 0});
  }

  std::optional<std::string> text_of(const std::string& path) {
    Result<std::string> text = read_file(full(path));
    if (text) return std::move(text).value();
    fail(unreadable(std::move(text).error(), path));
    return {};
  }

  void read_settings() {
    if (!file_exists(full(toml_path))) {
      if (!profile_.empty()) fail(no_profile({}));
      return;
    }
    std::optional<std::string> text = text_of(toml_path);
    if (!text) return;
    Result<toml::table> table = parse_toml(*text, toml_path, Code::bad_config);
    if (!table) return fail(std::move(table).error());
    const toml::table* profiles = nullptr;
    for (const auto& [key, node] : *table) {
      if (key == "name")
        name(node);
      else if (key == "engine" || key == "server")
        settings(std::string(key.str()), node, true);
      else if (key == "engines")
        continue;  // Of the printers for Flink and Spark; read by them.
      else if (key == "profiles" && node.is_table())
        profiles = node.as_table();
      else
        fail(unknown_key(key, {"name", "engine", "server", "engines", "profiles"}, toml_path, Code::unknown_option));
    }
    read_profiles(profiles);
  }

  void name(const toml::node& node) {
    const auto* text = node.as_string();
    if (text == nullptr || text->get().empty()) return wrong(node, "name is a text in quotes");
    out_.project.name = text->get();
  }

  void wrong(const toml::node& node, std::string message) {
    fail(user_error(Code::bad_config, std::move(message)).with_location(place_of(node, toml_path)));
  }

  /// Checks a table's settings; `effective` puts them in force.
  void settings(const std::string& table, const toml::node& node, bool effective) {
    if (!node.is_table()) return wrong(node, table + " is a table: [" + table + "]");
    for (const auto& [key, value] : *node.as_table()) {
      std::string full_name = table + "." + std::string(key.str());
      const Setting* found = nullptr;
      std::vector<std::string> known;
      for (const Setting& setting : all_settings()) {
        if (setting.name == full_name) found = &setting;
        if (setting.name.substr(0, table.size() + 1) == table + ".")
          known.emplace_back(setting.name.substr(table.size() + 1));
      }
      if (found == nullptr) {
        fail(unknown_key(key, known, toml_path, Code::unknown_option));
        continue;
      }
      std::optional<std::string> text = scalar_text(value, found->kind);
      if (!text)
        wrong(value, full_name + " is " + std::string(wanted(found->kind)));
      else if (effective)
        out_.project.settings[full_name] = *text;
    }
  }

  void read_profiles(const toml::table* profiles) {
    std::vector<std::string> names;
    bool found = false;
    if (profiles != nullptr) {
      for (const auto& [key, node] : *profiles) {
        names.emplace_back(key.str());
        found = found || key == profile_;
        if (!node.is_table())
          wrong(node, "a profile is a table: [profiles." + names.back() + "]");
        else
          read_profile(*node.as_table(), key == profile_);
      }
    }
    if (!profile_.empty() && !found) fail(no_profile(names));
  }

  void read_profile(const toml::table& profile, bool effective) {
    for (const auto& [key, node] : profile) {
      if (key == "engine" || key == "server")
        settings(std::string(key.str()), node, effective);
      else if (key == "variables" && node.is_table())
        variables(*node.as_table(), effective);
      else if (key == "engines")
        continue;
      else
        fail(unknown_key(key, {"engine", "server", "variables", "engines"}, toml_path, Code::unknown_option));
    }
  }

  void variables(const toml::table& table, bool effective) {
    for (const auto& [key, node] : table) {
      std::optional<std::string> text = scalar_text(node, SettingKind::text);
      if (!text) text = scalar_text(node, SettingKind::real);
      if (!text)
        wrong(node, "a variable is a text or a number");
      else if (effective)
        variables_[std::string(key.str())] = *text;
    }
  }

  Error no_profile(const std::vector<std::string>& names) const {
    Error error = user_error(Code::bad_config, "headrace.toml has no profile '" + profile_ + "'")
                      .with_location({toml_path, 0, 0});
    std::string nearest = nearest_name(profile_, names);
    error.remedy = nearest.empty() ? "add [profiles." + profile_ + "]" : "did you mean '" + nearest + "'?";
    return error;
  }

  /// A profile's variables stand readable in the project; what comes from the environment may be a secret.
  std::optional<std::string> find_variable(const std::string& name) {
    auto own = variables_.find(name);
    if (own != variables_.end()) return own->second;
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return {};
    constexpr size_t secret_bytes_min = 4;  // A shorter one stands in every second word.
    std::vector<std::string>& secrets = out_.project.secrets;
    if (std::string_view(value).size() >= secret_bytes_min &&
        std::find(secrets.begin(), secrets.end(), value) == secrets.end())
      secrets.emplace_back(value);
    return value;
  }

  void read_sql() {
    std::vector<std::string> paths = files("sql", ".sql");
    if (paths.empty())
      fail(user_error(Code::bad_project, "the project has no statements: sql/ holds no *.sql file")
               .with_location({"sql", 0, 0}));
    for (const std::string& path : paths) {
      std::optional<std::string> text = text_of(path);
      if (!text) continue;
      constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
      if (text->compare(0, byte_order_mark.size(), byte_order_mark) == 0) text->erase(0, byte_order_mark.size());
      Substituted done =
          substitute_variables(*text, path, [this](const std::string& name) { return find_variable(name); });
      out_.project.sql.push_back({path, std::move(done.text)});
      for (Error& error : done.errors) fail(std::move(error));
    }
  }

  void read_contracts() {
    for (const std::string& path : files("contracts", ".toml")) {
      std::optional<std::string> text = text_of(path);
      if (!text) continue;
      ReadContract read = read_contract(*text, path);
      for (const Contract& other : out_.project.contracts)
        if (same_name(other.source, read.contract.source))
          fail(user_error(Code::bad_contract,
                          "a second contract for " + other.source + "; the first is " + other.at.file)
                   .with_location(read.contract.at));
      out_.project.contracts.push_back(std::move(read.contract));
      for (Error& error : read.errors) fail(std::move(error));
    }
  }

  void read_dashboard(const std::string& path) {
    std::optional<std::string> text = text_of(path);
    if (!text) return;
    Result<toml::table> table = parse_toml(*text, path, Code::bad_project);
    if (!table) return fail(std::move(table).error());
    out_.project.dashboards.push_back({path, std::move(*text)});
  }

  std::string profile_;
  std::map<std::string, std::string> variables_;
  LoadedProject out_;
};

}  // namespace

LoadedProject load_project(const std::string& directory, const std::string& profile) {
  return ProjectLoader(directory, profile).run();
}

std::string redact(const Project& project, std::string text) {
  for (const std::string& secret : project.secrets) {  // The longest first: one may hold another.
    constexpr std::string_view hidden = "***";
    for (size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + hidden.size()))
      text.replace(at, secret.size(), hidden);
  }
  return text;
}

}  // namespace headrace
