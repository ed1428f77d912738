#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>

namespace headrace {
namespace {

/// HEADRACE_CRASH, read once: the point's name and how often it is passed before the end.
struct CrashPlan {
  std::string point;
  std::atomic<int64_t> passes_left{0};

  CrashPlan() {
    const char* text = std::getenv("HEADRACE_CRASH");
    if (text == nullptr) return;
    std::string_view plan(text);
    size_t colon = plan.rfind(':');
    point = plan.substr(0, colon);
    passes_left = colon == std::string_view::npos ? 1 : std::atoll(text + colon + 1);
  }
};

}  // namespace

Result<File> File::open(const std::string& path, Mode mode) {
  int flags = O_CLOEXEC;
  if (mode == Mode::read) flags |= O_RDONLY;
  if (mode == Mode::append) flags |= O_RDWR | O_CREAT | O_APPEND;
  if (mode == Mode::truncate) flags |= O_RDWR | O_CREAT | O_TRUNC;
  int descriptor = ::open(path.c_str(), flags, 0644);
  if (descriptor < 0) return errno_error("open " + path, errno);
  return File(descriptor, path);
}

File::File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(path_, other.path_);
  return *this;
}

File::~File() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<size_t> File::read_into(uint64_t offset, char* out, size_t bytes_max) const {
  size_t filled = 0;
  while (filled < bytes_max) {
    ssize_t got = ::pread(descriptor_, out + filled, bytes_max - filled, static_cast<off_t>(offset + filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("read " + path_, errno);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  return filled;
}

Result<std::string> File::read_at(uint64_t offset, size_t bytes_max) const {
  std::string out(bytes_max, '\0');
  HEADRACE_ASSIGN(const size_t filled, read_into(offset, out.data(), bytes_max));
  out.resize(filled);
  return out;
}

Result<> File::write(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t put = ::write(descriptor_, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno_error("write " + path_, errno);
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  return {};
}

Result<> File::sync() {
  if (::fdatasync(descriptor_) != 0) return errno_error("sync " + path_, errno);
  return {};
}

Result<> File::truncate(uint64_t bytes) {
  if (::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) return errno_error("truncate " + path_, errno);
  if (::lseek(descriptor_, static_cast<off_t>(bytes), SEEK_SET) < 0) return errno_error("seek " + path_, errno);
  return {};
}

Result<uint64_t> File::size() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) return errno_error("stat " + path_, errno);
  return static_cast<uint64_t>(status.st_size);
}

Result<std::string> read_file(const std::string& path) {
  HEADRACE_ASSIGN(File file, File::open(path, File::Mode::read));
  HEADRACE_ASSIGN(uint64_t bytes, file.size());
  std::string out;
  // A file such as /proc/x says 0 bytes: read on until nothing comes.
  for (size_t step = std::max<size_t>(bytes, 4096);;) {
    HEADRACE_ASSIGN(std::string part, file.read_at(out.size(), step));
    if (part.empty()) return out;
    out += part;
    if (part.size() < step) return out;
  }
}

Result<> write_file_atomically(const std::string& path, std::string_view bytes) {
  std::string temporary = path + ".tmp";
  {
    HEADRACE_ASSIGN(File file, File::open(temporary, File::Mode::truncate));
    HEADRACE_TRY(file.write(bytes));
    HEADRACE_TRY(file.sync());
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) return errno_error("rename " + temporary, errno);
  return sync_directory(std::filesystem::path(path).parent_path().string());
}

Result<> replace_file(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return errno_error("rename " + from + " to " + to, errno);
  const size_t slash = to.rfind('/');
  return sync_directory(slash == std::string::npos ? "." : slash == 0 ? "/" : to.substr(0, slash));
}

Result<> sync_directory(const std::string& path) {
  int descriptor = ::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return errno_error("open " + path, errno);
  int failed = ::fsync(descriptor);
  int error_number = errno;
  ::close(descriptor);
  if (failed != 0) return errno_error("sync " + path, error_number);
  return {};
}

Result<> make_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return errno_error("create folder " + path, error.value());
  return {};
}

Result<uint64_t> file_identity(const std::string& path) {
  struct stat facts;
  if (::stat(path.c_str(), &facts) != 0) return errno_error("look at " + path, errno);
  return static_cast<uint64_t>(facts.st_ino);
}

bool file_exists(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

Result<> remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return errno_error("remove " + path, errno);
  return {};
}

Result<std::vector<std::string>> glob_files(const std::string& pattern) {
  glob_t matches{};
  int status = ::glob(pattern.c_str(), GLOB_BRACE | GLOB_NOSORT, nullptr, &matches);
  std::vector<std::string> out(matches.gl_pathv, matches.gl_pathv + (status == 0 ? matches.gl_pathc : 0));
  ::globfree(&matches);
  if (status != 0 && status != GLOB_NOMATCH) return environment_error(Code::io_error, "cannot list " + pattern);
  std::sort(out.begin(), out.end());
  return out;
}

Result<std::vector<std::string>> list_directory(const std::string& path) {
  std::error_code error;
  std::vector<std::string> out;
  for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error))
    out.push_back(entry->path().filename().string());
  if (error) return errno_error("list " + path, error.value());
  std::sort(out.begin(), out.end());
  return out;
}

void crash_point(std::string_view name) {
  static CrashPlan plan;
  if (plan.point.empty() || plan.point != name) return;
  if (plan.passes_left.fetch_sub(1) == 1) ::raise(SIGKILL);
}

}  // namespace headrace
