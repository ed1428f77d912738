#include "catalog/toml_file.h"

#include "base/text.h"

namespace headrace {
namespace {

Location place(const toml::source_position& position, const std::string& path) {
  return {path, static_cast<int32_t>(position.line), static_cast<int32_t>(position.column)};
}

}  // namespace

Result<toml::table> parse_toml(const std::string& text, const std::string& path, Code code) {
  toml::parse_result parsed = toml::parse(std::string_view(text));
  if (parsed) return std::move(parsed).table();
  const toml::parse_error& error = parsed.error();
  return user_error(code, std::string(error.description())).with_location(place(error.source().begin, path));
}

Location place_of(const toml::node& node, const std::string& path) {
  return place(node.source().begin, path);
}
Location place_of(const toml::key& key, const std::string& path) {
  return place(key.source().begin, path);
}

Error unknown_key(const toml::key& key, const std::vector<std::string>& known, const std::string& path, Code code) {
  Error error =
      user_error(code, "there is no key '" + std::string(key.str()) + "' here").with_location(place_of(key, path));
  std::string nearest = nearest_name(key.str(), known);
  if (!nearest.empty()) {
    error.remedy = "did you mean '" + nearest + "'?";
  } else {
    for (const std::string& name : known) error.remedy += (error.remedy.empty() ? "known: " : ", ") + name;
  }
  return error;
}

}  // namespace headrace
