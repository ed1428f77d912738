// Rows of a Parquet file, decoded while those before them are worked on.
#pragma once

#include <deque>
#include <future>
#include <memory>
#include <utility>

#include "duck/parquet.h"

namespace headrace {

/// A reader that is asked on one thread, and reads on another between two questions. The tick loop polls while all
/// shards wait: what is decoded there is nobody's share, and with a slow function behind it one core stood idle.
class ReadAhead {
 public:
  explicit ReadAhead(std::unique_ptr<ParquetReader> reader) : reader_(std::move(reader)) {}

  /// Starts to read the next `chunks` chunks. Only while holds_rows() is false.
  void start(int64_t chunks) {
    // `deferred`, too: where no thread can be had, next() reads.
    coming_ = std::async(std::launch::async | std::launch::deferred, [reader = reader_.get(), chunks] {
      std::deque<Chunk> out;
      while (static_cast<int64_t>(out.size()) < chunks) {
        out.push_back(reader->next());
        if (!out.back().ok() || *out.back() == nullptr || (*out.back())->size() == 0) break;
      }
      return out;
    });
  }

  /// Chunks read ahead are there, or on their way.
  bool holds_rows() const { return coming_.valid() || !there_.empty(); }

  /// As ParquetReader::next; waits for what is on its way.
  Result<std::unique_ptr<DataChunk>> next() {
    if (coming_.valid()) there_ = coming_.get();
    if (there_.empty()) return reader_->next();
    Chunk out = std::move(there_.front());
    there_.pop_front();
    return out;
  }

 private:
  using Chunk = Result<std::unique_ptr<DataChunk>>;

  const std::unique_ptr<ParquetReader> reader_;
  std::deque<Chunk> there_;
  std::future<std::deque<Chunk>> coming_;  ///< Behind the reader: it is waited for before that goes.
};

}  // namespace headrace
