// Rows that a function has just failed on. The host finds them one by one in a batch that failed; while the rows around
// them are evaluated again in parts, a part that has one fails at once, without another call, death or timeout.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/result.h"
#include "duck/chunk.h"

namespace headrace {

/// The failing arguments of one deterministic function, by their hash, for a few seconds: a row that failed because the
/// machine was busy gets another chance. Safe from several threads; costs one load while there are none.
class KnownFailures {
 public:
  void add(DataChunk& arguments, int64_t row, Error error);
  /// The error of the first row of `arguments` that is known to fail.
  std::optional<Error> first_of(DataChunk& arguments);

  /// Forgets all: the function is another.
  void clear();

  static constexpr int64_t kept_ns = 5'000'000'000;
  static constexpr size_t rows_max = 65'536;

 private:
  struct Failure {
    Error error;
    int64_t until_ns;
  };

  std::atomic<size_t> count_ = 0;
  std::mutex mutex_;
  std::unordered_map<uint64_t, Failure> failures_;
};

}  // namespace headrace
