#include "base/log_line.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/clock.h"
#include "base/json_text.h"

namespace headrace {
namespace {

struct LogState {
  std::shared_ptr<spdlog::logger> logger;
  LogLevel level = LogLevel::info;
  bool as_text = false;

  LogState() {
    logger = std::make_shared<spdlog::logger>("headrace", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern("%v");
    logger->set_level(spdlog::level::trace);
  }
};

LogState& state() {
  static LogState log;
  return log;
}

constexpr std::string_view names[] = {"debug", "info", "warning", "error"};

void write(LogLevel level, std::string_view event, const LogField* begin, const LogField* end) {
  LogState& log = state();
  if (level < log.level) return;
  std::string line;
  if (log.as_text) {
    line = fmt::format("{}: {}", names[static_cast<int>(level)], event);
    for (const LogField* field = begin; field != end; ++field)
      line += fmt::format("  {}={}", field->name, field->value);
  } else {
    int64_t now_us = system_clock().now_us();
    line = fmt::format("{{\"time\":\"{:%Y-%m-%dT%H:%M:%S}.{:06d}Z\",\"level\":\"{}\",\"event\":",
                       fmt::gmtime(now_us / 1'000'000), now_us % 1'000'000, names[static_cast<int>(level)]);
    append_json_string(line, event);
    for (const LogField* field = begin; field != end; ++field) {
      line.push_back(',');
      append_json_string(line, field->name);
      line.push_back(':');
      append_json_string(line, field->value);
    }
    line.push_back('}');
  }
  log.logger->info(line);
  log.logger->flush();
}

}  // namespace

void log_line(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  write(level, event, fields.begin(), fields.end());
}

void log_error(std::string_view event, const Error& error) {
  const LogField fields[] = {{"code", std::to_string(static_cast<int>(error.code))},
                             {"name", std::string(name_of(error.code))},
                             {"message", error.message},
                             {"remedy", error.remedy},
                             {"at", error.at.text()}};
  write(LogLevel::error, event, fields, fields + 5);
}

void set_log(LogLevel level, bool as_text) {
  state().level = level;
  state().as_text = as_text;
}

}  // namespace headrace
