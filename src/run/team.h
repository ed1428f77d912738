// The shards' threads: one phase of a tick after another, all shards together. Shard 0 runs on the tick loop's own
// thread.
#pragma once

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "base/result.h"

namespace headrace {

class Team {
 public:
  /// Starts `members` - 1 threads.
  explicit Team(uint32_t members);
  ~Team();

  /// Runs `work(member)` for every member and waits for all. Gives the first error, by member.
  Result<> run(const std::function<Result<>(uint32_t)>& work);

 private:
  void serve(uint32_t member);

  const uint32_t members_;
  std::vector<std::thread> threads_;
  const std::function<Result<>(uint32_t)>* work_ = nullptr;
  std::vector<Result<>> results_;
  std::atomic<uint64_t> phase_{0};
  std::atomic<uint32_t> busy_{0};
  std::atomic<bool> leaving_{false};
};

}  // namespace headrace
