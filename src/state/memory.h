// The memory that a pipeline's state may take: counted, and lent from the spill file beyond a cap. Blocks of rows move
// there when they have not been written for a while (Table::spill); reads and writes of what has moved go to the mapped
// page.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/spill_file.h"

namespace headrace {

enum class Tier : uint8_t { memory, spilled };

/// Safe from any thread.
class StateMemory {
 public:
  /// `folder` takes the spill file when it is first needed.
  StateMemory(int64_t cap_bytes, std::string folder) : cap_(cap_bytes), folder_(std::move(folder)) {}

  bool is_over() const { return used_.load(std::memory_order_relaxed) > cap_; }
  /// How much has to leave memory, so that there is room to go on for a while; 0 = nothing.
  int64_t excess() const { return is_over() ? used_bytes() - cap_ / 8 * 7 : 0; }
  int64_t cap_bytes() const { return cap_; }
  int64_t used_bytes() const { return used_.load(std::memory_order_relaxed); }
  int64_t spilled_bytes() const { return spilled_.load(std::memory_order_relaxed); }

 private:
  friend class StateBytes;

  /// From the spill file; nullptr when the disk is full, which is logged once: state then stays in memory.
  char* take_spilled(size_t bytes);
  void give_back(char* piece, size_t bytes);

  const int64_t cap_;
  const std::string folder_;
  std::atomic<int64_t> used_{0}, spilled_{0};
  std::mutex mutex_;
  std::unique_ptr<SpillFile> file_;
  bool failed_ = false;
};

/// A piece of state's memory, of either tier. Its content is not defined at first.
class StateBytes {
 public:
  StateBytes() = default;
  /// `memory` = nullptr: uncounted memory. Asked for spilled bytes, it may give memory when the disk is full.
  StateBytes(std::shared_ptr<StateMemory> memory, size_t bytes, Tier tier);
  ~StateBytes() { release(); }
  StateBytes(StateBytes&& other) noexcept { *this = std::move(other); }
  StateBytes& operator=(StateBytes&& other) noexcept;

  char* data() { return data_; }
  const char* data() const { return data_; }
  size_t size() const { return size_; }
  Tier tier() const { return tier_; }

 private:
  void release();

  std::shared_ptr<StateMemory> memory_;  ///< Shared: a reader's snapshot may outlive the pipeline.
  char* data_ = nullptr;
  size_t size_ = 0;
  Tier tier_ = Tier::memory;
};

}  // namespace headrace
