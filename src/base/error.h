// Errors: what happened, whose fault it is, whether to try again, and where. One table of codes (error_codes.def) feeds
// the messages, the documentation and the Python exceptions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace headrace {

enum class Code : uint16_t {
#define HEADRACE_ERROR(number, name, summary) name = number,
#include "base/error_codes.def"
#undef HEADRACE_ERROR
};

/// Returns the code's name as written in the table, such as "bad_config".
std::string_view name_of(Code code);

enum class Blame : uint8_t { user, environment, engine };
enum class Retry : uint8_t { never, later };

/// A place in a project's file; line and column count from 1, 0 means unknown.
struct Location {
  std::string file;
  int32_t line = 0;
  int32_t column = 0;

  /// Gives "sql/pipeline.sql:12:8", or "" where the file is unknown.
  std::string text() const;
};

struct Error {
  Code code = Code::internal;
  Blame blame = Blame::engine;
  Retry retry = Retry::never;
  std::string message;
  std::string remedy = {};  ///< What the user can do; may be empty.
  Location at = {};
  std::string detail = {};  ///< Facts for the quarantine as a JSON object: which function, its hash, its arguments.

  /// Gives "sql/pipeline.sql:12:8: error 2003 (unknown_column): message\n  remedy: ..." for people.
  std::string text() const;

  Error&& with_remedy(std::string text_) && {
    remedy = std::move(text_);
    return std::move(*this);
  }
  Error&& with_location(Location location) && {
    at = std::move(location);
    return std::move(*this);
  }
};

/// Makes an error that the user's input caused.
Error user_error(Code code, std::string message);
/// Makes an error of the disk, the network or another system; worth another try.
Error environment_error(Code code, std::string message);
/// Turns errno into an error about `what` ("open /x"); ENOSPC becomes disk_full.
Error errno_error(std::string_view what, int error_number);

}  // namespace headrace
