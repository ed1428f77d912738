#include "connect/file/watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cstdint>

namespace headrace {

FolderWatch::FolderWatch(std::function<void()> wake)
    : wake_(std::move(wake)), inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)), stop_(::eventfd(0, EFD_CLOEXEC)) {
  if (inotify_ >= 0 && stop_ >= 0) thread_ = std::thread([this] { run(); });
}

FolderWatch::~FolderWatch() {
  const uint64_t one = 1;
  if (thread_.joinable() && ::write(stop_, &one, sizeof one) == sizeof one) thread_.join();
  if (inotify_ >= 0) ::close(inotify_);
  if (stop_ >= 0) ::close(stop_);
}

void FolderWatch::add(const std::string& folder) {
  if (inotify_ < 0 || !folders_.insert(folder).second) return;
  ::inotify_add_watch(inotify_, folder.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE);
}

void FolderWatch::run() {
  pollfd waiting[2] = {{inotify_, POLLIN, 0}, {stop_, POLLIN, 0}};
  while (true) {
    if (::poll(waiting, 2, -1) < 0) continue;  // Interrupted by a signal.
    if (waiting[1].revents != 0) return;
    char events[16 * 1024];
    while (::read(inotify_, events, sizeof events) > 0) {
      // What changed does not matter: the source looks for itself.
    }
    wake_();
  }
}

}  // namespace headrace
