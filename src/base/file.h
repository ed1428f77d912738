// Files: open, read, write, make durable. The only room that touches the file system directly, so that a test can make
// a disk fail.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace headrace {

/// An open file; closes itself. One thread at a time.
class File {
 public:
  enum class Mode { read, append, truncate };

  /// Opens `path`; append and truncate create it (0644). Errors: io_error, disk_full.
  static Result<File> open(const std::string& path, Mode mode);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  /// Reads up to `bytes_max` bytes at `offset`; fewer only at the end of the file.
  Result<std::string> read_at(uint64_t offset, size_t bytes_max) const;
  /// The same into memory of the caller's; gives the number of bytes read.
  Result<size_t> read_into(uint64_t offset, char* out, size_t bytes_max) const;
  /// Writes all of `bytes` at the end (append) or at the write position (truncate).
  Result<> write(std::string_view bytes);
  /// Makes everything written so far durable (fdatasync).
  Result<> sync();
  /// Cuts the file to `bytes` bytes; the next write goes there.
  Result<> truncate(uint64_t bytes);
  Result<uint64_t> size() const;
  int descriptor() const { return descriptor_; }
  const std::string& path() const { return path_; }

 private:
  File(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  int descriptor_ = -1;
  std::string path_;
};

/// Reads a whole file.
Result<std::string> read_file(const std::string& path);
/// Replaces `path` by `bytes`, whole or not at all, and makes it durable (temporary file, fsync, rename, fsync of the
/// folder).
Result<> write_file_atomically(const std::string& path, std::string_view bytes);
/// Renames `from` to `to`, in place of a file that is there, and makes the name durable. Make the bytes durable before.
Result<> replace_file(const std::string& from, const std::string& to);
/// Makes a folder's entries durable.
Result<> sync_directory(const std::string& path);
/// Creates a folder and those above it.
Result<> make_directories(const std::string& path);
bool file_exists(const std::string& path);
/// A number that changes when another file takes the path (its inode). Errors: io_error.
Result<uint64_t> file_identity(const std::string& path);
/// Removes a file; a missing one is no error.
Result<> remove_file(const std::string& path);
/// The matches of a shell pattern (*, ?, [..], {a,b}), sorted bytewise by name; a text without a pattern is its own
/// only match if it exists.
Result<std::vector<std::string>> glob_files(const std::string& pattern);
/// The names (not paths) in a folder, sorted.
Result<std::vector<std::string>> list_directory(const std::string& path);

/// A named point where the crash campaign may end the process (environment variable HEADRACE_CRASH=point:n, at the nth
/// passing).
void crash_point(std::string_view name);

}  // namespace headrace
