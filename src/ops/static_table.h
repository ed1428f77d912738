// The table side of a look-up: rows read once, before any stream row, found by key. It is read anew at every start and
// not part of checkpoints: the source says it does not change.
#pragma once

#include <unordered_map>
#include <vector>

#include "data/batch.h"
#include "ops/operator.h"

namespace headrace {

/// A row's place: batch, then row.
struct StaticRow {
  uint32_t batch = 0, row = 0;
};

/// One thread.
class StaticTable {
 public:
  explicit StaticTable(std::vector<size_t> key) : key_(std::move(key)) {}

  /// Takes a batch of rows. Retractions are not possible: a static table only has rows.
  void add(Batch batch);
  size_t rows() const { return rows_; }
  const Batch& batch(uint32_t number) const { return batches_[number]; }

  /// For row `row` of `probe` (its key columns, hashed): the rows of the same key, in order of arrival. `null_safe[i]`:
  /// NULL equals NULL.
  void find(const DataChunk& probe, size_t row, uint64_t hash, const std::vector<bool>& null_safe,
            std::vector<StaticRow>& out) const;
  /// All rows grouped by hash of their key.
  const std::unordered_map<uint64_t, std::vector<StaticRow>>& index() const { return index_; }
  /// Copies column `column` of rows into `out` from place `at` on; nullptr rows become NULL.
  void gather(size_t column, const std::vector<std::optional<StaticRow>>& rows, Vector& out) const;

 private:
  std::vector<size_t> key_;
  std::vector<Batch> batches_;
  std::unordered_map<uint64_t, std::vector<StaticRow>> index_;
  size_t rows_ = 0;
};

}  // namespace headrace
