#include "lake/steward.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <csignal>
#include <map>

#include "base/json_text.h"
#include "base/log_line.h"
#include "lake/lake.h"

namespace headrace {
namespace {

constexpr int32_t attempts_max = 3;
constexpr int64_t write_timeout_ms = 5'000;
constexpr int64_t answer_timeout_ms =
    60'000;  // The first one waits for `import pyiceberg`; SQLite waits 5 s for its lock.

struct Interpreter {
  std::string python = "python3";
  std::vector<std::string> path;
};

Interpreter& interpreter() {
  static Interpreter chosen;
  return chosen;
}

struct Stewards {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<Steward>> by_warehouse;
};

Stewards& stewards() {
  static Stewards all;
  return all;
}

Error gone(const std::string& why) {
  return environment_error(Code::sink_unavailable, fmt::format("the lake's steward does not answer: {}", why))
      .with_remedy(fmt::format("see what `{} -m headrace.lake ls` says", interpreter().python));
}

/// The steward names codes of error_codes.def; these are the ones that it uses.
Code code_named(std::string_view name) {
  for (Code code : {Code::bad_config, Code::unknown_relation, Code::unsupported_sql})
    if (name_of(code) == name) return code;
  return Code::sink_unavailable;
}

/// Takes "answer" out of the steward's line, or its error.
Result<std::string> open_answer(const std::string& line) {
  simdjson::dom::parser parser;
  simdjson::dom::element document, answer;
  if (parser.parse(line).get(document)) return gone(fmt::format("it said '{}'", line));
  if (!document["answer"].get(answer)) return simdjson::minify(answer);
  std::string_view code, message, remedy;
  if (document["error"]["code"].get(code) || document["error"]["message"].get(message) ||
      document["error"]["remedy"].get(remedy))
    return gone(fmt::format("it said '{}'", line));
  Code known = code_named(code);
  Error error = known == Code::sink_unavailable ? environment_error(known, std::string(message))
                                                : user_error(known, std::string(message));
  return std::move(error).with_remedy(std::string(remedy));
}

}  // namespace

void use_lake_python(std::string python, std::vector<std::string> python_path) {
  interpreter() = {std::move(python), std::move(python_path)};
}

std::shared_ptr<Steward> Steward::of(const std::string& warehouse) {
  std::lock_guard lock(stewards().mutex);
  std::weak_ptr<Steward>& known = stewards().by_warehouse[warehouse];
  std::shared_ptr<Steward> steward = known.lock();
  if (!steward) {
    steward = std::make_shared<Steward>(warehouse);
    known = steward;
    std::lock_guard starting(steward->mutex_);
    if (Result<> started = steward->ensure_running(); !started.ok())
      log_error("steward_start", started.error());  // ask() tries again.
  }
  return steward;
}

Result<std::string> Steward::ask(const std::string& request) {
  std::lock_guard lock(mutex_);
  std::string why;
  for (int32_t attempt = 0; attempt < attempts_max; ++attempt) {
    HEADRACE_TRY(ensure_running());
    Result<std::string> line = exchange(request);
    if (line.ok()) return open_answer(*line);
    why = line.error().message;
    log_line(LogLevel::warning, "steward_restarted", {{"warehouse", warehouse_}, {"why", why}});
    channel_.reset();
    process_.reset();  // Killed and reaped: nothing that it had begun can land after this line.
  }
  return gone(why);
}

Result<> Steward::ensure_running() {
  if (process_) return {};
  HEADRACE_ASSIGN(ChannelPair pair, ChannelPair::make());
  ProcessSpec spec{.arguments = {interpreter().python, "-m", "headrace.lake.steward", warehouse_}};
  if (!interpreter().path.empty())
    spec.environment.push_back(fmt::format("PYTHONPATH={}", fmt::join(interpreter().path, ":")));
  if (starts_ > 0)
    spec.environment.push_back("HEADRACE_STEWARD_CRASH=");  // A crash campaign kills one steward, not its successors.
  spec.descriptors = {pair.theirs.number()};
  HEADRACE_ASSIGN(Process process, Process::start(spec));
  pair.theirs.close();
  process_.emplace(std::move(process));
  channel_.emplace(std::move(pair.ours));
  ++starts_;
  return {};
}

Result<std::string> Steward::exchange(const std::string& request) {
  HEADRACE_TRY(channel_->write_line(request, write_timeout_ms));
  return channel_->read_line(answer_timeout_ms);
}

pid_t Steward::pid() {
  std::lock_guard lock(mutex_);
  return process_ ? process_->pid() : -1;
}

int32_t Steward::starts() {
  std::lock_guard lock(mutex_);
  return starts_;
}

}  // namespace headrace
