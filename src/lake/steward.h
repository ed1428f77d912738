// The steward: the Python child that commits files to Iceberg tables (python/headrace/lake/steward.py). It keeps
// nothing, so whatever goes wrong it is killed and started anew, and every request may be sent twice.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/process.h"
#include "base/result.h"

namespace headrace {

/// Safe from any thread; answers one request at a time.
class Steward {
 public:
  /// The steward of a warehouse (a local folder): one child per warehouse and process, which ends with its last user.
  /// Starts it in the background: the first request waits for it.
  static std::shared_ptr<Steward> of(const std::string& warehouse);

  explicit Steward(std::string warehouse) : warehouse_(std::move(warehouse)) {}

  /// Sends a request (JSON) and gives the answer (JSON). A child that dies or falls silent is replaced and asked again,
  /// a few times. Errors: what the steward says; sink_unavailable (later) when no child answers.
  Result<std::string> ask(const std::string& request);

  const std::string& warehouse() const { return warehouse_; }
  /// The running child; -1 without one. For tests.
  pid_t pid();
  int32_t starts();

 private:
  Result<> ensure_running();
  Result<std::string> exchange(const std::string& request);

  const std::string warehouse_;
  std::mutex mutex_;
  std::optional<Process> process_;
  std::optional<LineChannel> channel_;
  int32_t starts_ = 0;
};

}  // namespace headrace
