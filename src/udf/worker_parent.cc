#include "udf/worker_parent.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <simdjson.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/file.h"
#include "base/json_text.h"
#include "udf/fields_json.h"

namespace headrace {
namespace {

constexpr int64_t answer_timeout_ms = 60'000;  // The first answer waits for `import pyarrow`.
constexpr size_t descriptors_max = 3;

/// Room for a control message with descriptors.
union Control {
  cmsghdr align;
  char bytes[CMSG_SPACE(descriptors_max * sizeof(int))];
};

Result<> send_with_descriptors(int socket, const std::string& text, const std::vector<int>& descriptors) {
  iovec content{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &content;
  message.msg_iovlen = 1;
  Control control{};
  if (!descriptors.empty()) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(descriptors.size() * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size() * sizeof(int));
  }
  while (::sendmsg(socket, &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return errno_error("ask the workers' parent", errno);
  }
  return {};
}

Result<std::string> receive_with_descriptor(int socket, Descriptor* received) {
  pollfd entry{socket, POLLIN, 0};
  while (int ready = ::poll(&entry, 1, static_cast<int>(answer_timeout_ms))) {
    if (ready < 0 && errno != EINTR) return errno_error("wait for the workers' parent", errno);
    if (ready < 0) continue;
    char text[4096];
    iovec content{text, sizeof text};
    msghdr message{};
    message.msg_iov = &content;
    message.msg_iovlen = 1;
    Control control{};
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    ssize_t got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return environment_error(Code::function_died, "the parent of the function workers has ended");
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS && received != nullptr) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
      *received = Descriptor(descriptor);
    }
    return std::string(text, static_cast<size_t>(got));
  }
  return environment_error(Code::function_died, "the parent of the function workers does not answer");
}

/// What makes the interpreter find the headrace package, and behave as a parent of many.
std::vector<std::string> python_environment(const FunctionHostOptions& options) {
  std::vector<std::string> out = {
      "PYTHONUNBUFFERED=1",
      "ARROW_DEFAULT_MEMORY_POOL=system",               // The others reserve memory that a budget would count.
      "JE_ARROW_MALLOC_CONF=background_thread:false"};  // The parent has one thread: forking is safe.
  if (!options.python_path.empty()) out.push_back(fmt::format("PYTHONPATH={}", fmt::join(options.python_path, ":")));
  // Threads of a BLAS would be forked into nothing, and a worker has one core at best.
  for (const char* name : {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"}) {
    if (std::getenv(name) == nullptr) out.push_back(fmt::format("{}=1", name));
  }
  return out;
}

}  // namespace

std::string find_worker_library() {
  constexpr std::string_view name = "libheadrace_worker.so";
  std::error_code none;
  const std::filesystem::path folder = std::filesystem::read_symlink("/proc/self/exe", none).parent_path();
  for (const auto& candidate : {folder / name, folder.parent_path() / name, folder.parent_path() / "lib" / name}) {
    if (file_exists(candidate.string())) return candidate.string();
  }
  return "";
}

Result<> WorkerParent::ensure_running() {
  if (process_ && !process_->wait(0)) return {};
  give_up();
  const std::string library = find_worker_library();
  if (library.empty())
    return environment_error(Code::function_died, "libheadrace_worker.so is neither beside the program nor in ../lib");
  HEADRACE_ASSIGN(ChannelPair pair, ChannelPair::make());
  ProcessSpec spec{.arguments = {options_.python, "-m", "headrace.worker", "serve", "--project",
                                 options_.project_directory, "--library", library}};
  spec.environment = python_environment(options_);
  spec.descriptors = {pair.theirs.number()};
  spec.output = spec.error_output = output_;
  HEADRACE_ASSIGN(Process process, Process::start(spec));
  process_.emplace(std::move(process));
  control_ = std::move(pair.ours);
  return {};
}

Result<> WorkerParent::start() {
  std::lock_guard lock(mutex_);
  return ensure_running();
}

void WorkerParent::give_up() {
  process_.reset();
  control_.close();
}

Result<std::string> WorkerParent::ask(const std::string& request, const std::vector<int>& descriptors,
                                      Descriptor* received) {
  HEADRACE_TRY(send_with_descriptors(control_.number(), request, descriptors));
  return receive_with_descriptor(control_.number(), received);
}

Result<WorkerParent::Forked> WorkerParent::fork_worker(const FunctionDescription& function, int64_t memory_bytes,
                                                       const std::vector<int>& descriptors) {
  std::string writes;
  for (const std::string& path : function.writes) writes += (writes.empty() ? "" : ",") + json_string(path);
  return fork(
      fmt::format(
          R"({{"fork": {{"file": {}, "function": {}, "hash": {}, "memory_bytes": {}, "rows": {}, "network": {}, "writes": [{}]}}}})",
          json_string(function.file), json_string(function.name), json_string(function.hash), memory_bytes,
          fields_json(function.rows), function.network, writes),
      descriptors);
}

Result<WorkerParent::Forked> WorkerParent::fork_describer(const std::vector<int>& descriptors) {
  return fork(R"({"describe": true})", descriptors);
}

Result<WorkerParent::Forked> WorkerParent::fork(const std::string& request, const std::vector<int>& descriptors) {
  std::lock_guard lock(mutex_);
  HEADRACE_TRY(ensure_running());
  Forked forked;
  auto answer = ask(request, descriptors, &forked.death);
  simdjson::dom::parser parser;
  int64_t pid = -1;
  if (!answer.ok() || parser.parse(*answer)["pid"].get(pid) != simdjson::SUCCESS || !forked.death.is_open()) {
    give_up();
    return environment_error(Code::function_died,
                             answer.ok() ? "the parent of the function workers cannot fork" : answer.error().message);
  }
  forked.pid = static_cast<pid_t>(pid);
  return forked;
}

Result<> WorkerParent::refresh() {
  std::lock_guard lock(mutex_);
  HEADRACE_TRY(ensure_running());
  Result<std::string> answer = ask(R"({"refresh": true})", {}, nullptr);
  if (answer.ok()) return {};
  give_up();
  return std::move(answer).error();
}

std::optional<ExitStatus> WorkerParent::kill(const Forked& forked) {
  ::kill(-forked.pid, SIGKILL);  // With what it has started. Not reaped yet, so the number is still its own.
  ::syscall(SYS_pidfd_send_signal, forked.death.number(), SIGKILL, nullptr, 0);
  return reap(forked);
}

std::optional<ExitStatus> WorkerParent::reap(const Forked& forked) {
  std::lock_guard lock(mutex_);
  if (!process_ || process_->wait(0)) return std::nullopt;
  auto answer = ask(fmt::format(R"({{"reap": {}}})", forked.pid), {}, nullptr);
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  int64_t code = 0, signal = 0;
  if (!answer.ok() || parser.parse(*answer).get(document) != simdjson::SUCCESS ||
      document["code"].get(code) != simdjson::SUCCESS || document["signal"].get(signal) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return ExitStatus{static_cast<int>(code), static_cast<int>(signal)};
}

}  // namespace headrace
