// Structured log: one JSON object per line on standard error, with stable fields. Log once, at the top; never per row.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace headrace {

enum class LogLevel : uint8_t { debug, info, warning, error };

struct LogField {
  std::string_view name;
  std::string value;
};

/// Writes {"time": ..., "level": ..., "event": event, fields...}. `event` is a stable, lower-case name such as
/// "checkpoint_done". Never pass a secret. Safe from any thread.
void log_line(LogLevel level, std::string_view event, std::initializer_list<LogField> fields);
/// Writes an error with its code, name, message, remedy and place.
void log_error(std::string_view event, const Error& error);
/// Lines below `level` are dropped. `as_text` gives short lines for people instead of JSON.
void set_log(LogLevel level, bool as_text);

}  // namespace headrace
