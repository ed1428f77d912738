// The process that forks all workers, and what describes the functions: single-threaded Python without any of the
// user's code (python/headrace/worker/parent.py). The engine itself never forks: it has threads, and much memory.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/process.h"
#include "udf/function.h"

namespace headrace {

/// Where the library for the workers lies: beside the program, one folder up, or in ../lib. "" = nowhere.
std::string find_worker_library();

class WorkerParent {
 public:
  struct Forked {
    pid_t pid = -1;
    Descriptor death;  ///< A pidfd.
  };

  /// Starts nothing yet. `output` takes what the parent itself prints.
  WorkerParent(FunctionHostOptions options, int output) : options_(std::move(options)), output_(output) {}

  /// Starts the parent, which then has time to import pyarrow before the first call. Errors: as fork_worker, and
  /// io_error (there is no such interpreter).
  Result<> start();
  /// Forks a worker for `function`; `descriptors` = its channel, its shared memory, its output. Starts the parent if it
  /// does not run. Errors: function_died (the parent does not start, or does not answer).
  Result<Forked> fork_worker(const FunctionDescription& function, int64_t memory_bytes,
                             const std::vector<int>& descriptors);
  /// Forks a process that describes the project's functions as they are on the disk; `descriptors` = where it writes
  /// them to, its output. Errors: as start.
  Result<Forked> fork_describer(const std::vector<int>& descriptors);
  /// Workers that start from now on run the code as it is on the disk. Errors: function_died.
  Result<> refresh();
  /// Kills a forked process, with what it has started. Gives how it ended; nullopt when the parent ended with it.
  std::optional<ExitStatus> kill(const Forked& forked);
  /// How a process whose pidfd has become readable ended; nullopt as above.
  std::optional<ExitStatus> reap(const Forked& forked);

 private:
  Result<> ensure_running();
  Result<Forked> fork(const std::string& request, const std::vector<int>& descriptors);
  Result<std::string> ask(const std::string& request, const std::vector<int>& descriptors, Descriptor* received);
  void give_up();

  const FunctionHostOptions options_;
  const int output_;
  std::mutex mutex_;
  std::optional<Process> process_;
  Descriptor control_;
};

}  // namespace headrace
