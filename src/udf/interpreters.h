// The Python interpreters of a project's functions: the engine's own, and one for each environment that functions have.
#pragma once

#include <map>

#include "udf/output_log.h"
#include "udf/worker_parent.h"

namespace headrace {

/// One parent process each, started when it is first needed. One thread at a time; the parents are safe from several.
class Interpreters {
 public:
  explicit Interpreters(const FunctionHostOptions& options) : options_(options) {}

  /// The project's functions, as they are on the disk. Errors: as describe_functions.
  Result<std::vector<FunctionDescription>> describe();
  /// The parent of a function's workers; describe() has told of the function.
  WorkerParent& parent_of(const FunctionDescription& function);

  /// Starts all parents that there are. Errors: as WorkerParent::start.
  Result<> start();
  /// Workers that start from now on run the code as it is on the disk. Errors: function_died.
  Result<> refresh();

 private:
  Result<> open_output();
  WorkerParent& parent(const std::string& python);

  const FunctionHostOptions options_;
  int parent_output_ = -1, describer_output_ = -1;
  OutputLog output_;  ///< Outlives the parents.
  std::map<std::string, std::unique_ptr<WorkerParent>> parents_;
};

}  // namespace headrace
