#include "udf/output_log.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <cerrno>

#include "base/clock.h"
#include "base/log_line.h"

namespace headrace {

Result<int> OutputLog::add(std::string name) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe", errno);
  auto source = std::make_unique<Source>();
  source->name = std::move(name);
  source->read = Descriptor(ends[0]);
  source->write = Descriptor(ends[1]);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  sources_.push_back(std::move(source));
  return ends[1];
}

Result<> OutputLog::start() {
  stop_ = Descriptor(::eventfd(0, EFD_CLOEXEC));
  if (!stop_.is_open()) return errno_error("eventfd", errno);
  thread_ = std::thread([this] { run(); });
  return {};
}

OutputLog::~OutputLog() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  while (::write(stop_.number(), &one, sizeof one) < 0 && errno == EINTR) continue;
  thread_.join();
}

void OutputLog::run() {
  std::vector<pollfd> entries = {{stop_.number(), POLLIN, 0}};
  for (const auto& source : sources_) entries.push_back({source->read.number(), POLLIN, 0});
  while (true) {
    if (::poll(entries.data(), entries.size(), -1) < 0 && errno != EINTR) return;
    for (const auto& source : sources_) take(*source);
    if (entries[0].revents != 0) return;
  }
}

void OutputLog::take(Source& source) {
  char bytes[65'536];
  for (ssize_t got; (got = ::read(source.read.number(), bytes, sizeof bytes)) > 0;) {
    source.partial.append(bytes, static_cast<size_t>(got));
    size_t start = 0;
    for (size_t end; (end = source.partial.find('\n', start)) != std::string::npos; start = end + 1)
      log(source, std::string_view(source.partial).substr(start, end - start));
    source.partial.erase(0, start);
    if (source.partial.size() > line_bytes_max) {
      log(source, source.partial);
      source.partial.clear();
    }
    if (got < static_cast<ssize_t>(sizeof bytes)) return;
  }
}

void OutputLog::log(Source& source, std::string_view line) {
  if (line.empty()) return;
  const int64_t second = system_clock().steady_ns() / 1'000'000'000;
  if (second != source.second) {
    if (source.dropped > 0)
      log_line(LogLevel::warning, "function_output_dropped",
               {{"function", source.name}, {"lines", std::to_string(source.dropped)}});
    source.second = second;
    source.lines = source.dropped = 0;
  }
  if (source.lines >= lines_per_second_max) {
    ++source.dropped;
    return;
  }
  ++source.lines;
  log_line(LogLevel::info, "function_output",
           {{"function", source.name}, {"text", std::string(line.substr(0, line_bytes_max))}});
}

}  // namespace headrace
