#include "serve/settings.h"

#include <fmt/format.h>

#include <charconv>

namespace headrace {
namespace {

struct Limit {
  const char* setting;
  int64_t ServerOptions::*option;
};

constexpr Limit limits[] = {
    {"server.max_body_bytes", &ServerOptions::max_body_bytes},
    {"server.connections_max", &ServerOptions::connections_max},
    {"server.query_timeout_ms", &ServerOptions::query_timeout_ms},
    {"server.query_rows_max", &ServerOptions::query_rows_max},
    {"server.query_memory_bytes", &ServerOptions::query_memory_bytes},
    {"server.queries_max", &ServerOptions::queries_max},
};

}  // namespace

Result<> take_settings(const Project& project, ServerOptions& options) {
  auto value_of = [&](const char* name) -> const std::string* {
    auto found = project.settings.find(name);
    return found == project.settings.end() ? nullptr : &found->second;
  };
  for (const Limit& limit : limits) {
    const std::string* text = value_of(limit.setting);
    if (!text) continue;
    int64_t value = 0;
    std::from_chars(text->data(), text->data() + text->size(),
                    value);  // Whether it is a number was checked with the file.
    if (value <= 0)
      return user_error(Code::bad_config, fmt::format("{} must be positive; got {}", limit.setting, *text));
    options.*limit.option = value;
  }
  if (const std::string* listen = value_of("server.listen")) options.listen = *listen;
  if (const std::string* hosts = value_of("server.allowed_hosts"))
    for (size_t at = 0; at < hosts->size();) {
      size_t end = std::min(hosts->find(',', at), hosts->size());
      if (end > at) options.allowed_hosts.push_back(hosts->substr(at, end - at));
      at = end + 1;
    }
  options.dashboards = project.dashboards;
  return {};
}

}  // namespace headrace
