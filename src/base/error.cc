#include "base/error.h"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace headrace {

std::string_view name_of(Code code) {
  switch (code) {
#define HEADRACE_ERROR(number, name, summary) \
  case Code::name:                            \
    return #name;
#include "base/error_codes.def"
#undef HEADRACE_ERROR
  }
  return "unknown";
}

std::string Location::text() const {
  if (file.empty()) return "";
  if (line == 0) return file;
  if (column == 0) return fmt::format("{}:{}", file, line);
  return fmt::format("{}:{}:{}", file, line, column);
}

std::string Error::text() const {
  std::string out = at.file.empty() ? "" : at.text() + ": ";
  out += fmt::format("error {} ({}): {}", static_cast<int>(code), name_of(code), message);
  if (!remedy.empty()) out += "\n  remedy: " + remedy;
  return out;
}

Error user_error(Code code, std::string message) {
  return {code, Blame::user, Retry::never, std::move(message)};
}

Error environment_error(Code code, std::string message) {
  return {code, Blame::environment, Retry::later, std::move(message)};
}

Error errno_error(std::string_view what, int error_number) {
  const bool full = error_number == ENOSPC || error_number == EDQUOT;
  Error out = environment_error(full ? Code::disk_full : Code::io_error,
                                fmt::format("{}: {}", what, std::generic_category().message(error_number)));
  if (full) out.remedy = "make room on the disk and start again: the next run goes on where this one was durable";
  return out;
}

}  // namespace headrace
