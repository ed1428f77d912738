// Fuzzes what reads SQL text: statements, the rewriting, types, variables. None may crash, hang or leave the text; what
// is rewritten once stays as it is when rewritten again, and every place lies inside the text.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/check.h"
#include "catalog/variables.h"
#include "plan/rewrite.h"
#include "plan/statement.h"

using namespace headrace;

namespace {

void check_rewriting(const std::string& text, int32_t lines) {
  Result<SqlText> once = rewrite_sql(text, {"f.sql", 1, 1});
  if (!once) return;
  for (size_t byte = 0; byte <= once->text.size(); ++byte) {
    Location place = once->locate(byte);
    CHECK(place.line >= 1 && place.line <= lines && place.column >= 1);
  }
  Result<SqlText> twice = rewrite_sql(once->text, {"f.sql", 1, 1});
  if (twice) CHECK(twice->text == once->text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  int32_t lines = 1;
  for (char c : text) lines += c == '\n';
  ParsedFile file = parse_statements(text, "f.sql");
  for (const Error& error : file.errors) CHECK(error.at.line >= 1 && error.at.line <= lines && !error.message.empty());
  check_rewriting(text, lines);
  (void)rewrite_type(text, {"f.sql", 1, 1});
  (void)substitute_variables(text, "f.sql", [](const std::string&) { return std::optional<std::string>("'x"); });
  return 0;
}
