// Metrics in Prometheus' text form. One table names them all; docs/reference/metrics.md is printed from it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "run/pipeline.h"

namespace headrace {

/// Counts requests. Safe from any thread.
class RequestMetrics {
 public:
  RequestMetrics();
  ~RequestMetrics();
  /// `endpoint` is an operation id of the table, or "other".
  void count(std::string_view endpoint, int status, double seconds);
  void count_admitted(const std::string& source, int64_t accepted, int64_t quarantined, bool repeated);
  /// What /metrics answers.
  std::string text(const PipelineStatus& status) const;

 private:
  struct Registry;
  std::unique_ptr<Registry> registry_;
};

}  // namespace headrace
