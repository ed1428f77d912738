// The embedded log: append-only segments that make an unreplayable source (HTTP) replayable. Records are opaque bytes;
// a group of appends is made durable by one fdatasync. Each record carries a CRC-32C; a torn tail is cut at opening.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace headrace {

struct LogOptions {
  std::string directory;
  int64_t segment_bytes = 64 << 20;      ///< A new segment begins beyond this size.
  int64_t pending_bytes_max = 64 << 20;  ///< Appends beyond this that are not yet durable get `overloaded`.
};

/// A record's place: records count from 0.
struct LogRecord {
  int64_t number = 0;
  std::string bytes;
};

/// Safe from any thread.
class Log {
 public:
  static Result<std::unique_ptr<Log>> open(const LogOptions& options);
  virtual ~Log() = default;

  /// Appends and waits until the record is durable (group commit). Gives its number. Errors: disk_full, io_error,
  /// overloaded.
  virtual Result<int64_t> append(std::string_view bytes) = 0;
  /// Reads durable records from `number` on, up to about `bytes_max`; never blocks.
  virtual Result<std::vector<LogRecord>> read(int64_t number, int64_t bytes_max) = 0;
  /// The number that the next record will get; all below are durable.
  virtual int64_t end() const = 0;
  /// The first record still kept.
  virtual int64_t begin() const = 0;
  /// Segments that lie wholly below `number` may go.
  virtual Result<> release(int64_t number) = 0;
  /// Where the log would begin after release(number).
  virtual int64_t begin_after_release(int64_t number) const = 0;
  /// `wake` is called after each group commit, from the log's thread.
  virtual void on_durable(std::function<void()> wake) = 0;
  virtual int64_t pending_bytes() const = 0;
};

/// The number of the first record that a log's directory still holds, without opening it; 0 when it holds none.
Result<int64_t> first_record_kept(const std::string& directory);

}  // namespace headrace
