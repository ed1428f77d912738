// Memory whose pages lie in a file that nobody else sees: what is not used may leave the machine's memory, and comes
// back by page when it is touched. The system decides which pages, by use.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/file.h"

namespace headrace {

/// Grows by extents whose place on the disk is reserved, so that a full disk is met here and not at a later write.
/// Given-back pieces are lent again; the file only shrinks by its end with the process. Safe from any thread.
class SpillFile {
 public:
  /// In a folder that exists. Errors: io_error, disk_full.
  static Result<std::unique_ptr<SpillFile>> create(const std::string& folder);
  ~SpillFile();

  /// `bytes` bytes, aligned to a page, with any content. Errors: disk_full, io_error.
  Result<char*> take(size_t bytes);
  void give_back(char* piece, size_t bytes);

 private:
  explicit SpillFile(File file) : file_(std::move(file)) {}

  struct Extent {
    char* begin;
    size_t bytes;
  };

  Result<> grow(size_t bytes);

  File file_;
  std::mutex mutex_;
  std::vector<Extent> extents_;
  size_t used_ = 0;  ///< Of the last extent.
  size_t file_bytes_ = 0;
  std::map<size_t, std::vector<char*>> free_;  ///< By size.
};

}  // namespace headrace
