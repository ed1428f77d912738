#include "udf/known_failures.h"

#include <vector>

#include "base/clock.h"
#include "duck/rows.h"

namespace headrace {

void KnownFailures::add(DataChunk& arguments, int64_t row, Error error) {
  std::vector<uint64_t> hashes(arguments.size());
  hash_rows(arguments, hashes.data());
  std::lock_guard lock(mutex_);
  if (failures_.size() >= rows_max) failures_.clear();
  const int64_t until_ns = system_clock().steady_ns() + kept_ns;
  failures_.insert_or_assign(hashes[static_cast<size_t>(row)], Failure{std::move(error), until_ns});
  count_.store(failures_.size(), std::memory_order_release);
}

std::optional<Error> KnownFailures::first_of(DataChunk& arguments) {
  if (count_.load(std::memory_order_acquire) == 0 || arguments.ColumnCount() == 0) return std::nullopt;
  std::vector<uint64_t> hashes(arguments.size());
  hash_rows(arguments, hashes.data());
  const int64_t now_ns = system_clock().steady_ns();
  std::lock_guard lock(mutex_);
  std::erase_if(failures_, [&](const auto& entry) { return entry.second.until_ns < now_ns; });
  count_.store(failures_.size(), std::memory_order_release);
  for (uint64_t hash : hashes)
    if (auto found = failures_.find(hash); found != failures_.end()) return found->second.error;
  return std::nullopt;
}

void KnownFailures::clear() {
  std::lock_guard lock(mutex_);
  failures_.clear();
  count_.store(0, std::memory_order_release);
}

}  // namespace headrace
