#include "base/spill_file.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

namespace headrace {
namespace {

constexpr size_t page_bytes = 4096;
constexpr size_t extent_bytes = 64 << 20;

size_t whole_pages(size_t bytes) {
  return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

}  // namespace

Result<std::unique_ptr<SpillFile>> SpillFile::create(const std::string& folder) {
  const std::string path = folder + "/spill";
  HEADRACE_ASSIGN(File file, File::open(path, File::Mode::truncate));
  HEADRACE_TRY(remove_file(path));  // Open, it lives on without a name.
  return std::unique_ptr<SpillFile>(new SpillFile(std::move(file)));
}

SpillFile::~SpillFile() {
  for (const Extent& extent : extents_) ::munmap(extent.begin, extent.bytes);
}

Result<> SpillFile::grow(size_t bytes) {
  const size_t size = std::max(bytes, extent_bytes);
  if (const int failed =
          ::posix_fallocate(file_.descriptor(), static_cast<off_t>(file_bytes_), static_cast<off_t>(size)))
    return errno_error("reserve room for spilled state", failed);
  void* begin =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file_.descriptor(), static_cast<off_t>(file_bytes_));
  if (begin == MAP_FAILED) return errno_error("map spilled state", errno);
  ::madvise(begin, size, MADV_RANDOM);
  file_bytes_ += size;
  extents_.push_back({static_cast<char*>(begin), size});
  used_ = 0;
  return {};
}

Result<char*> SpillFile::take(size_t bytes) {
  const size_t size = whole_pages(bytes);
  std::lock_guard lock(mutex_);
  if (auto found = free_.find(size); found != free_.end() && !found->second.empty()) {
    char* piece = found->second.back();
    found->second.pop_back();
    return piece;
  }
  if (extents_.empty() || used_ + size > extents_.back().bytes) HEADRACE_TRY(grow(size));
  char* piece = extents_.back().begin + used_;
  used_ += size;
  return piece;
}

void SpillFile::give_back(char* piece, size_t bytes) {
  std::lock_guard lock(mutex_);
  free_[whole_pages(bytes)].push_back(piece);
}

}  // namespace headrace
