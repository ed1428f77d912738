// Fuzzes what reads a project's SQL files: statements and variables. None may crash, hang or leave the text.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "catalog/variables.h"
#include "plan/statement.h"

using namespace headrace;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  int32_t lines = 1;
  for (char c : text) lines += c == '\n';
  for (const bool need_with : {true, false}) {
    const ParsedFile file = parse_statements(text, "f.sql", {.sources_need_with = need_with});
    for (const Error& error : file.errors)
      CHECK(error.at.line >= 1 && error.at.line <= lines && !error.message.empty());
  }
  (void)substitute_variables(text, "f.sql", [](const std::string&) { return std::optional<std::string>("'x"); });
  return 0;
}
