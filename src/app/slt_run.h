// Runs one golden test in one way: all rows of a feed at once or row by row, on one or several shards, restored at
// every step or not.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/slt_file.h"
#include "udf/function.h"

namespace headrace {

struct SltWay {
  std::string name;
  int32_t shards = 1;
  bool row_by_row = false;  ///< Changes are then compared by what is left of them.
  bool restore = false;  ///< A checkpoint and a new engine over it after every tick, each on another number of shards.
  int64_t drift_ms = 0;  ///< PipelineOptions::source_drift_ms, on which no answer depends.
};

/// The functions of folders, by path: every way of running a file uses the same processes.
using SltFunctions = std::map<std::string, std::shared_ptr<FunctionHost>>;

/// The failures, one text each with file, line, what was expected and what came; empty when all is as expected.
std::vector<std::string> run_slt(const std::vector<SltStep>& steps, const std::string& file, const SltWay& way,
                                 SltFunctions& functions);

}  // namespace headrace
