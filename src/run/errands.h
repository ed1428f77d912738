// Work that other threads want done between two ticks, when nothing else touches what the tick loop owns.
#pragma once

#include <functional>
#include <future>
#include <mutex>
#include <utility>
#include <vector>

namespace headrace {

/// While a loop takes errands they are run on its thread; else on the thread that asks, one at a time.
class Errands {
 public:
  explicit Errands(std::function<void()> wake) : wake_(std::move(wake)) {}

  /// Waits until `errand` has run.
  void run(const std::function<void()>& errand) {
    std::packaged_task<void()> task(errand);
    std::future<void> done = task.get_future();
    {
      std::lock_guard lock(mutex_);
      if (taken_)
        waiting_.push_back(std::move(task));
      else
        task();
    }
    wake_();
    done.get();
  }
  /// For the loop: before its first tick, between ticks, and when it ends.
  void open() {
    std::lock_guard lock(mutex_);
    taken_ = true;
  }
  void run_waiting() {
    std::lock_guard lock(mutex_);
    for (std::packaged_task<void()>& task : std::exchange(waiting_, {})) task();
  }
  void close() {
    std::lock_guard lock(mutex_);
    taken_ = false;
    for (std::packaged_task<void()>& task : std::exchange(waiting_, {})) task();
  }

 private:
  std::function<void()> wake_;
  std::mutex mutex_;
  bool taken_ = false;
  std::vector<std::packaged_task<void()>> waiting_;
};

}  // namespace headrace
