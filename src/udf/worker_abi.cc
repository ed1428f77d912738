// What a Python worker calls through ctypes: waiting for a request and answering it, with the memory order that Python
// lacks.
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "udf/segment.h"
#include "udf/spin.h"

using headrace::SegmentHeader;
using headrace::SlotState;

extern "C" {

/// Waits until the state is `request` and makes it `running`. 0 = the engine has closed `channel`.
int headrace_await_request(void* memory, int channel) {
  static headrace::AdaptiveSpin spin;  // A worker has one thread that waits.
  auto* header = static_cast<SegmentHeader*>(memory);
  auto requested = [header] { return header->state.load(std::memory_order_acquire) == uint32_t(SlotState::request); };
  const int64_t started_ns = headrace::system_clock().steady_ns();
  if (!spin.wait(requested)) {
    while (true) {
      header->worker_sleeps.store(1, std::memory_order_seq_cst);
      if (header->state.load(std::memory_order_seq_cst) == uint32_t(SlotState::request)) break;
      char bell[64];
      ssize_t got = ::recv(channel, bell, sizeof bell, 0);
      if (got == 0 || (got < 0 && errno != EINTR)) return 0;
    }
    header->worker_sleeps.store(0, std::memory_order_relaxed);
  }
  spin.learn(headrace::system_clock().steady_ns() - started_ns);
  header->state.store(uint32_t(SlotState::running), std::memory_order_relaxed);
  return 1;
}

/// Publishes what was written as the new `state` and wakes the engine if it sleeps.
void headrace_answer(void* memory, int channel, uint32_t state) {
  auto* header = static_cast<SegmentHeader*>(memory);
  header->state.store(state, std::memory_order_seq_cst);
  if (header->engine_sleeps.exchange(0, std::memory_order_seq_cst) != 0)
    ::send(channel, "!", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/// Ends this process with SIGKILL when `parent` ends, or at once if it has ended already.
void headrace_die_with_parent(int parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
}
}
