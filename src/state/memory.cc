#include "state/memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>
#include <utility>

#include "base/log_line.h"

namespace headrace {
namespace {

constexpr size_t huge_page_bytes = 2 << 20;

/// Pieces of whole huge pages are large indexes, which are read at random: in pages of 4 KiB nearly every look-up would
/// miss the processor's table of pages, too.
char* take_memory(size_t bytes) {
  const bool whole_pages = bytes > 0 && bytes % huge_page_bytes == 0;
  void* out = whole_pages ? std::aligned_alloc(huge_page_bytes, bytes) : std::malloc(bytes);
  if (out == nullptr && bytes > 0) throw std::bad_alloc();
  if (whole_pages) madvise(out, bytes, MADV_HUGEPAGE);  // A kernel that has none may say no.
  return static_cast<char*>(out);
}

}  // namespace

char* StateMemory::take_spilled(size_t bytes) {
  std::lock_guard lock(mutex_);
  if (failed_) return nullptr;
  if (!file_) {
    Result<std::unique_ptr<SpillFile>> made = SpillFile::create(folder_);
    if (made) file_ = *std::move(made);
    failed_ = !made;
    if (!made) log_error("state_not_spilled", made.error());
  }
  Result<char*> piece = file_ ? file_->take(bytes) : Result<char*>(nullptr);
  if (!piece) {
    failed_ = true;
    log_error("state_not_spilled", piece.error());
    return nullptr;
  }
  return *piece;
}

void StateMemory::give_back(char* piece, size_t bytes) {
  file_->give_back(piece, bytes);
}

StateBytes::StateBytes(std::shared_ptr<StateMemory> memory, size_t bytes, Tier tier)
    : memory_(std::move(memory)), size_(bytes) {
  if (memory_ != nullptr && tier == Tier::spilled) {
    data_ = memory_->take_spilled(bytes);
    if (data_ != nullptr) tier_ = Tier::spilled;
  }
  if (data_ == nullptr) data_ = take_memory(bytes);
  if (memory_ == nullptr) return;
  (tier_ == Tier::spilled ? memory_->spilled_ : memory_->used_) += static_cast<int64_t>(size_);
}

void StateBytes::release() {
  if (data_ == nullptr) return;
  if (memory_ != nullptr) (tier_ == Tier::spilled ? memory_->spilled_ : memory_->used_) -= static_cast<int64_t>(size_);
  if (tier_ == Tier::spilled)
    memory_->give_back(data_, size_);
  else
    std::free(data_);
}

StateBytes& StateBytes::operator=(StateBytes&& other) noexcept {
  if (this == &other) return *this;
  release();
  memory_ = std::move(other.memory_);
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  tier_ = other.tier_;
  return *this;
}

}  // namespace headrace
