#include "base/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <thread>

#include "base/check.h"
#include "base/clock.h"

extern char** environ;

namespace headrace {
namespace {

constexpr int first_given_descriptor = 3;
constexpr size_t given_descriptors_max = 16;

/// All a child needs between vfork and exec, made before: no allocation may happen there.
struct ChildPlan {
  const char* program = nullptr;
  std::vector<char*> arguments, environment;
  std::vector<int> sources;  ///< What becomes 0, 1, 2, 3, ...
  const char* directory = nullptr;
  pid_t engine = 0;
};

/// Runs in the child, in the engine's memory (vfork): only system calls, and errno as the answer.
[[noreturn]] void become(const ChildPlan& plan, volatile int* failure) {
  auto fail = [&] {
    *failure = errno;
    _exit(127);
  };
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail();
  if (::getppid() != plan.engine) _exit(127);  // The engine ended before the line above took effect.
  const int count = static_cast<int>(plan.sources.size());
  int moved[first_given_descriptor + given_descriptors_max];
  for (int i = 0; i < count; ++i) {  // Out of the way first: a source may sit on another one's target.
    moved[i] = ::fcntl(plan.sources[i], F_DUPFD_CLOEXEC, 64);
    if (moved[i] < 0) fail();
  }
  for (int i = 0; i < count; ++i) {
    if (::dup2(moved[i], i) < 0) fail();
  }
  if (::syscall(SYS_close_range, count, ~0U, CLOSE_RANGE_CLOEXEC) != 0) fail();
  if (plan.directory != nullptr && ::chdir(plan.directory) != 0) fail();
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(plan.program, plan.arguments.data(), plan.environment.data());
  fail();
  __builtin_unreachable();
}

/// vfork: a fork would copy the page tables of an engine that may hold many gigabytes.
Result<pid_t> fork_and_exec(const ChildPlan& plan) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);  // No handler of ours may run in the child.
  volatile int failure = 0;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  pid_t pid = ::vfork();
#pragma GCC diagnostic pop
  if (pid == 0) become(plan, &failure);
  int vfork_errno = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return errno_error("start a process", vfork_errno);
  if (failure == 0) return pid;
  ::waitpid(pid, nullptr, 0);
  return errno_error(fmt::format("start {}", plan.program), failure);
}

/// The parent-death signal follows the *thread* that started a child, so all children are started by one that never
/// ends.
class StarterThread {
 public:
  static StarterThread& get() {
    static StarterThread* starter = new StarterThread;  // Never destroyed: children may be started until the very end.
    return *starter;
  }

  Result<pid_t> start(const ChildPlan& plan) {
    std::lock_guard one_at_a_time(callers_);
    std::unique_lock lock(mutex_);
    plan_ = &plan;
    changed_.notify_all();
    changed_.wait(lock, [&] { return plan_ == nullptr; });
    return std::move(*std::exchange(started_, std::nullopt));
  }

 private:
  StarterThread() {
    std::thread([this] { run(); }).detach();
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return plan_ != nullptr; });
      started_.emplace(fork_and_exec(*plan_));
      plan_ = nullptr;
      changed_.notify_all();
    }
  }

  std::mutex callers_, mutex_;
  std::condition_variable changed_;
  const ChildPlan* plan_ = nullptr;
  std::optional<Result<pid_t>> started_;
};

std::string find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* path = std::getenv("PATH");
  std::string_view folders = path != nullptr ? path : "/usr/bin:/bin";
  while (!folders.empty()) {
    std::string_view folder = folders.substr(0, folders.find(':'));
    folders.remove_prefix(std::min(folders.size(), folder.size() + 1));
    std::string candidate = fmt::format("{}/{}", folder.empty() ? "." : folder, name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return name;
}

/// The engine's environment with `changes` ("NAME=value") in place of equal names.
std::vector<std::string> merged_environment(const std::vector<std::string>& changes) {
  std::vector<std::string> merged;
  auto changed = [&](std::string_view entry) {
    std::string_view name = entry.substr(0, entry.find('=') + 1);
    for (const std::string& change : changes) {
      if (std::string_view(change).substr(0, name.size()) == name) return true;
    }
    return false;
  };
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!changed(*entry)) merged.emplace_back(*entry);
  }
  merged.insert(merged.end(), changes.begin(), changes.end());
  return merged;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

/// Waits for `events` of `descriptor`; false at the deadline.
bool await(int descriptor, short events, int64_t deadline_ns) {
  while (true) {
    int64_t left_ns = std::max<int64_t>(0, deadline_ns - system_clock().steady_ns());
    pollfd entry{descriptor, events, 0};
    int ready = ::poll(&entry, 1, static_cast<int>(std::min<int64_t>((left_ns + 999'999) / 1'000'000, 1 << 30)));
    if (ready > 0) return true;
    if (ready == 0 && left_ns == 0) return false;
    if (ready < 0 && errno != EINTR) return false;
  }
}

int64_t deadline_after(int64_t timeout_ms) {
  return system_clock().steady_ns() + timeout_ms * 1'000'000;
}

}  // namespace

std::string ExitStatus::text() const {
  if (signal != 0) return fmt::format("signal {} ({})", signal, strsignal(signal));
  return fmt::format("exit code {}", code);
}

Result<Process> Process::start(const ProcessSpec& spec) {
  CHECK(!spec.arguments.empty());
  CHECK_LE(spec.descriptors.size(), given_descriptors_max);
  Descriptor nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!nothing.is_open()) return errno_error("open /dev/null", errno);

  std::string program = find_program(spec.arguments[0]);
  std::vector<std::string> arguments = spec.arguments, environment = merged_environment(spec.environment);
  ChildPlan plan;
  plan.program = program.c_str();
  plan.arguments = pointers(arguments);
  plan.environment = pointers(environment);
  plan.sources = {nothing.number(), spec.output >= 0 ? spec.output : STDERR_FILENO,
                  spec.error_output >= 0 ? spec.error_output : STDERR_FILENO};
  plan.sources.insert(plan.sources.end(), spec.descriptors.begin(), spec.descriptors.end());
  plan.directory = spec.directory.empty() ? nullptr : spec.directory.c_str();
  plan.engine = ::getpid();
  HEADRACE_ASSIGN(pid_t pid, StarterThread::get().start(plan));

  // The child cannot be reaped by anyone but us, so its number still means this child.
  Descriptor death(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (death.is_open()) return Process(pid, std::move(death));
  int pidfd_errno = errno;
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  return errno_error("watch a process", pidfd_errno);
}

Process& Process::operator=(Process&& other) noexcept {
  end();
  pid_ = other.pid_;
  death_ = std::move(other.death_);
  status_ = other.status_;
  return *this;
}

Process::~Process() {
  end();
}

void Process::end() {
  if (!death_.is_open()) return;
  kill(SIGKILL);
  while (!wait(60'000)) kill(SIGKILL);
  death_.close();
}

void Process::kill(int signal) {
  if (death_.is_open() && !status_) ::syscall(SYS_pidfd_send_signal, death_.number(), signal, nullptr, 0);
}

std::optional<ExitStatus> Process::wait(int64_t timeout_ms) {
  if (status_) return status_;
  if (!await(death_.number(), POLLIN, deadline_after(timeout_ms))) return std::nullopt;
  siginfo_t info{};
  constexpr auto by_pidfd = static_cast<idtype_t>(3);  // P_PIDFD, missing in glibc 2.36's <sys/wait.h> for C++.
  if (::waitid(by_pidfd, static_cast<id_t>(death_.number()), &info, WEXITED) != 0) return std::nullopt;
  status_ = info.si_code == CLD_EXITED ? ExitStatus{info.si_status, 0} : ExitStatus{0, info.si_status};
  return status_;
}

Result<ChannelPair> ChannelPair::make() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return errno_error("socketpair", errno);
  return ChannelPair{Descriptor(ends[0]), Descriptor(ends[1])};
}

Result<> LineChannel::write_line(std::string_view line, int64_t timeout_ms) {
  std::string bytes = fmt::format("{}\n", line);
  const int64_t deadline_ns = deadline_after(timeout_ms);
  for (std::string_view rest = bytes; !rest.empty();) {
    ssize_t sent = ::send(socket_.number(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      rest.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      if (!await(socket_.number(), POLLOUT, deadline_ns))
        return environment_error(Code::io_error, fmt::format("a helper process did not read for {} ms", timeout_ms));
    } else if (errno != EINTR) {
      return errno_error("write to a helper process", errno);
    }
  }
  return {};
}

Result<std::string> LineChannel::read_line(int64_t timeout_ms) {
  const int64_t deadline_ns = deadline_after(timeout_ms);
  size_t searched = 0;
  while (true) {
    size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    searched = buffer_.size();
    if (searched > line_bytes_max)
      return environment_error(Code::io_error, "a helper process sent a line over the limit of 64 MiB");
    if (!await(socket_.number(), POLLIN, deadline_ns))
      return environment_error(Code::io_error, fmt::format("a helper process did not answer for {} ms", timeout_ms));
    buffer_.resize(searched + 65'536);
    ssize_t got = ::recv(socket_.number(), buffer_.data() + searched, 65'536, MSG_DONTWAIT);
    int recv_errno = errno;
    buffer_.resize(searched + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return environment_error(Code::io_error, "a helper process closed its connection");
    if (got < 0 && recv_errno != EINTR && recv_errno != EAGAIN)
      return errno_error("read from a helper process", recv_errno);
  }
}

}  // namespace headrace
