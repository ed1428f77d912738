// Wakes a followed source when one of its folders changes, so that new lines need not wait for the next look.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>

namespace headrace {

/// Watches folders with inotify from a thread of its own. Where the kernel gives no watch, the source's polling is all
/// there is.
class FolderWatch {
 public:
  explicit FolderWatch(std::function<void()> wake);
  ~FolderWatch();
  /// Watches `folder` from now on; again is no harm.
  void add(const std::string& folder);

 private:
  void run();

  const std::function<void()> wake_;
  int inotify_ = -1;
  int stop_ = -1;  ///< An eventfd.
  std::set<std::string> folders_;
  std::thread thread_;
};

}  // namespace headrace
