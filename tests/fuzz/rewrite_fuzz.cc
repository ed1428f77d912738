// Fuzzes the rewriting of our SQL into DuckDB's, of selects and of types. It may not crash, hang or leave the text;
// what is rewritten once stays as it is when rewritten again, and every place lies inside the text.
#include <cstdint>
#include <string>

#include "base/check.h"
#include "plan/rewrite.h"

using namespace headrace;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  int32_t lines = 1;
  for (char c : text) lines += c == '\n';
  (void)rewrite_type(text, {"f.sql", 1, 1});
  const Result<SqlText> once = rewrite_sql(text, {"f.sql", 1, 1});
  if (!once) return 0;
  const size_t step = 1 + once->text.size() / 1000;  // locate() counts from the last place that it knows.
  for (size_t byte = 0; byte <= once->text.size(); byte += step) {
    const Location place = once->locate(byte);
    CHECK(place.line >= 1 && place.line <= lines && place.column >= 1);
  }
  const Result<SqlText> twice = rewrite_sql(once->text, {"f.sql", 1, 1});
  if (twice) CHECK(twice->text == once->text);
  return 0;
}
