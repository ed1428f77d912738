#include "run/time_text.h"

#include <fmt/format.h>

#include <cstdlib>

#include "data/batch.h"

namespace headrace {

std::string text_of(EventTime time) {
  if (time == EventTime::min()) return "the beginning";
  if (time == EventTime::max()) return "the end";
  return duckdb::Value::TIMESTAMP(duckdb::timestamp_t(time.ms * 1000)).ToString();
}

std::string duration_text(int64_t ms) {
  ms = std::abs(ms);
  const int64_t days = ms / 86'400'000;
  const double seconds = static_cast<double>(ms % 60'000) / 1000;
  const int64_t hours = ms / 3'600'000 % 24, minutes = ms / 60'000 % 60;
  std::string out = days > 0 ? fmt::format("{} d ", days) : "";
  if (hours > 0) out += fmt::format("{} h ", hours);
  if (minutes > 0) out += fmt::format("{} min ", minutes);
  if (seconds > 0 || out.empty()) out += fmt::format("{} s ", seconds);
  out.pop_back();
  return out;
}

}  // namespace headrace
