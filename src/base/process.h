// A child process under supervision: it ends with the engine, holds no descriptor but the ones given to it, and its
// death can be awaited beside other events.
//
// How to run a helper program that answers requests, one JSON document per line:
//
//   HEADRACE_ASSIGN(ChannelPair pair, ChannelPair::make());
//   ProcessSpec spec{.arguments = {python, "-m", "headrace.lake.steward"}};
//   spec.descriptors.push_back(pair.theirs.number());        // is descriptor 3 in the child
//   HEADRACE_ASSIGN(Process process, Process::start(spec));
//   pair.theirs.close();                                      // so that the child's end is seen as "closed"
//   LineChannel channel(std::move(pair.ours));
//   HEADRACE_TRY(channel.write_line(request, 5'000));
//   HEADRACE_ASSIGN(std::string answer, channel.read_line(30'000));
//   // Any error: process.kill(SIGKILL), then start again. Python: socket.socket(fileno=3).makefile("rw").
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "base/result.h"

namespace headrace {

struct ProcessSpec {
  std::vector<std::string> arguments;  ///< [0] is the program; without a slash it is looked up in PATH.
  std::vector<std::string> environment =
      {};  ///< "NAME=value", added to the engine's own environment, replacing equal names.
  std::vector<int> descriptors =
      {};                      ///< Become 3, 4, ... in the child; everything else is closed there. Stay open here.
  int output = -1;             ///< The child's standard output; -1 = the engine's standard error.
  int error_output = -1;       ///< The child's standard error; -1 = the engine's.
  std::string directory = {};  ///< Working directory; "" = the engine's.
};

struct ExitStatus {
  int code = 0;
  int signal = 0;  ///< 0 = it ended by itself.

  /// Gives "exit code 1" or "signal 9 (Killed)".
  std::string text() const;
};

/// A running (or ended, not yet awaited) child. Standard input is /dev/null. The child gets SIGKILL when the engine's
/// process ends, however that happens. Any thread may start one; one thread at a time may use it.
class Process {
 public:
  /// Errors: io_error (program missing, not executable; no process or memory left).
  static Result<Process> start(const ProcessSpec& spec);

  Process(Process&&) noexcept = default;
  Process& operator=(Process&& other) noexcept;
  /// Kills and reaps a child that still runs.
  ~Process();

  pid_t pid() const { return pid_; }
  /// Becomes readable (poll, epoll) once the child has ended; do not read from it.
  int death_descriptor() const { return death_.number(); }
  /// Sends a signal; nothing happens when the child has ended.
  void kill(int signal);
  /// Waits for the end up to `timeout_ms` (0 = only look); nullopt while it runs. Gives the same status again later.
  std::optional<ExitStatus> wait(int64_t timeout_ms);

 private:
  Process(pid_t pid, Descriptor death) : pid_(pid), death_(std::move(death)) {}
  void end();

  pid_t pid_ = -1;
  Descriptor death_;
  std::optional<ExitStatus> status_;
};

/// Two ends of a stream socket; neither is inherited but through ProcessSpec::descriptors.
struct ChannelPair {
  Descriptor ours, theirs;
  static Result<ChannelPair> make();
};

/// Lines of text over a stream socket. One thread at a time.
class LineChannel {
 public:
  explicit LineChannel(Descriptor socket) : socket_(std::move(socket)) {}

  /// Writes `line` and a line end. Errors: io_error (the other side is gone, or does not read for `timeout_ms`).
  Result<> write_line(std::string_view line, int64_t timeout_ms);
  /// Reads one line, without its end, of at most `line_bytes_max`. Errors: io_error (closed, too long, nothing for
  /// `timeout_ms`).
  Result<std::string> read_line(int64_t timeout_ms);
  int descriptor() const { return socket_.number(); }

  static constexpr size_t line_bytes_max = 64 << 20;

 private:
  Descriptor socket_;
  std::string buffer_;
};

}  // namespace headrace
