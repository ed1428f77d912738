// Merges segments beside everything else, so that old images do not pile up. Segments never change, so nothing waits
// for it.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"

namespace headrace {

/// A segment that a manifest names.
struct SegmentName {
  std::string name;
  int64_t bytes = 0;
};

/// Used by the checkpoint writer's thread; works on a thread of its own.
class SegmentMerger {
 public:
  /// `directory` is the state directory.
  explicit SegmentMerger(std::string directory);
  ~SegmentMerger();

  /// Puts what has been merged since in the place of its parts, then starts the next merging that is due. A merging
  /// that failed is logged and tried again later: its parts are still there.
  Result<> take_turn(std::vector<SegmentName>& segments);
  /// Bytes written by merging so far.
  int64_t merged_bytes() const;

 private:
  struct Job {
    std::vector<std::string> parts;
    Result<int64_t> size = int64_t{0};
  };

  void serve();
  std::string scratch() const { return directory_ + "/merging"; }
  Result<> adopt(const Job& job, std::vector<SegmentName>& segments) const;

  const std::string directory_;
  mutable std::mutex mutex_;
  std::condition_variable change_;
  std::optional<Job> asked_, done_;
  bool busy_ = false, leaving_ = false;
  int64_t merged_bytes_ = 0;
  std::thread thread_;
};

}  // namespace headrace
