// The bytes of one input file from an offset on, plain or gzip. Offsets count uncompressed bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"

namespace headrace {

class FileInput {
 public:
  virtual ~FileInput() = default;
  /// Appends up to `bytes_max` bytes from the read offset on; nothing at the end that is there now.
  virtual Result<> read(std::string& out, size_t bytes_max) = 0;
  /// Bytes that are there beyond the read offset, where that is known without reading.
  virtual std::optional<uint64_t> bytes_left() const = 0;
  /// Why the input cannot go on although its end was not reached (a truncated or damaged gzip file); "" = it is whole
  /// so far.
  virtual std::string fault() const { return ""; }
  /// What to say when the file has become shorter than what was read from it; "" = it has not.
  virtual std::string shrunk() const { return ""; }
  /// Which file this is on its file system; another number under the same path means that it was replaced.
  virtual uint64_t identity() const = 0;
};

/// Opens `path` at `offset`. A file that begins with gzip's magic bytes is unpacked while it is read.
/// Errors: io_error; source_unavailable when the file is shorter than `offset`.
Result<std::unique_ptr<FileInput>> open_file_input(const std::string& path, uint64_t offset);

}  // namespace headrace
