#include "lake/lake.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <mutex>

#include "base/file.h"
#include "base/json_text.h"
#include "lake/steward.h"
#include "lake/tables_in_use.h"

namespace headrace {
namespace {

struct TablesInUse {
  std::mutex mutex;
  std::map<std::string, std::string> warehouses;
  std::map<std::string, std::shared_ptr<Steward>>
      readers;  ///< Kept, so that the second query does not wait for an interpreter.
};

TablesInUse& tables_in_use() {
  static TablesInUse all;
  return all;
}

std::shared_ptr<Steward> reader_of(const std::string& warehouse) {
  std::lock_guard lock(tables_in_use().mutex);
  std::shared_ptr<Steward>& reader = tables_in_use().readers[warehouse];
  if (!reader) reader = Steward::of(warehouse);
  return reader;
}

}  // namespace

void note_table_in_use(const std::string& table, const std::string& warehouse) {
  std::lock_guard lock(tables_in_use().mutex);
  tables_in_use().warehouses[table] = warehouse;
}

std::optional<std::string> warehouse_of(const std::string& table) {
  std::lock_guard lock(tables_in_use().mutex);
  auto found = tables_in_use().warehouses.find(table);
  return found == tables_in_use().warehouses.end() ? std::nullopt : std::optional(found->second);
}

std::string default_warehouse(const std::string& state_directory) {
  return (std::filesystem::absolute(state_directory) / "lake").lexically_normal().string();
}

std::string qualified_lake_table(const std::string& table) {
  std::string name = table;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return name.find('.') == std::string::npos ? "lake." + name : name;
}

Result<std::vector<std::string>> lake_data_files(const std::string& state_directory, const std::string& table) {
  std::string name = qualified_lake_table(table);
  std::string warehouse = warehouse_of(name).value_or(default_warehouse(state_directory));
  if (!file_exists(warehouse + "/catalog.db"))
    return user_error(Code::unknown_relation, fmt::format("the lake has no table {}", name));
  HEADRACE_ASSIGN(std::string answer,
                  reader_of(warehouse)->ask(fmt::format(R"({{"do":"files","table":{}}})", json_string(name))));
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  simdjson::dom::array files;
  if (parser.parse(answer).get(document) || document["files"].get(files))
    return Error{Code::internal, Blame::engine, Retry::never, fmt::format("the lake's steward answered '{}'", answer)};
  std::vector<std::string> out;
  for (simdjson::dom::element file : files) {
    std::string_view path;
    if (!file.get(path)) out.emplace_back(path);
  }
  return out;
}

}  // namespace headrace
