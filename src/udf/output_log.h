// What functions print becomes log lines, so many a second and no more.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/descriptor.h"
#include "base/result.h"

namespace headrace {

/// One thread that reads the output of all functions. add() before start().
class OutputLog {
 public:
  OutputLog() = default;
  ~OutputLog();

  /// Opens a place for the output of `name`; the descriptor to write to stays open as long as this.
  Result<int> add(std::string name);
  Result<> start();

  static constexpr int64_t lines_per_second_max = 50;
  static constexpr size_t line_bytes_max = 4096;

 private:
  struct Source {
    std::string name;
    Descriptor read, write;
    std::string partial;  ///< A line without its end as yet.
    int64_t second = 0;   ///< Of the clock; lines are counted per second.
    int64_t lines = 0, dropped = 0;
  };

  void run();
  void take(Source& source);
  void log(Source& source, std::string_view line);

  std::vector<std::unique_ptr<Source>> sources_;
  Descriptor stop_;
  std::thread thread_;
};

}  // namespace headrace
