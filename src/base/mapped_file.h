// A file's bytes as memory, for reading: pages come from the disk when they are touched.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace headrace {

/// Closes itself. The file must not be cut while it is mapped; removing it is no harm.
class MappedFile {
 public:
  /// Errors: io_error.
  static Result<MappedFile> open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::string_view bytes() const { return {data_, size_}; }

 private:
  MappedFile(const char* data, size_t size) : data_(data), size_(size) {}

  const char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace headrace
