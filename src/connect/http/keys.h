// What was answered to which idempotency key. A key is known for 24 hours, and among the last 1,000,000 keys and 256
// MiB of answers, whichever ends first. Keys live in the log's records; when records are let go, their keys move into a
// small file beside the log.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>

#include "connect/http/record.h"

namespace headrace {

struct KeyLimits {
  int64_t age_us_max = 24LL * 3600 * 1'000'000;
  int64_t keys_max = 1'000'000;
  int64_t bytes_max = 256 << 20;
};

/// A request that was answered.
struct KnownRequest {
  int64_t number = 0;    ///< Of its record in the log.
  int64_t position = 0;  ///< Source records after it.
  RequestVerdict verdict;
};

/// Not safe from several threads: the door holds its lock.
class KeyIndex {
 public:
  explicit KeyIndex(KeyLimits limits) : limits_(limits) {}

  /// Reads the key files of `directory`. Errors: corrupt_state, io_error.
  Result<> open(const std::string& directory);
  /// Records below this number have their keys in files.
  int64_t saved_end() const { return saved_end_; }
  /// Source records in the log's records below saved_end().
  int64_t saved_records() const { return saved_records_; }

  /// Adds a request, and forgets the oldest over the limits of count and size; numbers ascend.
  void add(KnownRequest request);
  const KnownRequest* find(const Digest& key) const;
  /// Forgets what is over the age limit; removes files that hold nothing any more.
  Result<> expire(int64_t now_us);
  /// Makes the keys of records [saved_end, end) durable outside the log. `records` = source records below `end`.
  Result<> save(int64_t end, int64_t records);
  int64_t keys() const { return static_cast<int64_t>(known_.size()); }

 private:
  struct DigestHash {
    size_t operator()(const Digest& digest) const;
  };
  struct KeyFile {
    std::string path;
    int64_t end = 0;  ///< One past the last record number whose key it may hold.
  };

  Result<> read_file_of_keys(const std::string& path, int64_t end);
  bool over_size() const;
  void forget_oldest();

  KeyLimits limits_;
  std::string directory_;
  std::deque<KnownRequest> requests_;                      ///< By number, ascending.
  int64_t first_ = 0;                                      ///< Serial number of requests_.front().
  std::unordered_map<Digest, int64_t, DigestHash> known_;  ///< Key -> serial number.
  int64_t bytes_ = 0;
  std::deque<KeyFile> files_;
  int64_t saved_end_ = 0, saved_records_ = 0;
};

}  // namespace headrace
