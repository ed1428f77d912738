// Results that change: what was last told of each key, so that a change is told as the old row taken back and the new
// row added.
#pragma once

#include "ops/operator.h"

namespace headrace {

/// Works on a table whose value columns hold the last told results and whose plain bytes have eight bytes of flags.
class ToldRows {
 public:
  /// Value column i of the table is output column `outputs[i]`; the other output columns never change for a key.
  ToldRows(size_t flags_offset, std::vector<size_t> outputs, SchemaRef schema)
      : flags_offset_(flags_offset), outputs_(std::move(outputs)), schema_(std::move(schema)) {}

  /// Notes that a row changed in this tick.
  void touch(Table& table, Slot slot);
  bool any_touched() const { return !touched_.empty(); }
  /// The rows touched since the last call that were not told, in hash order, which depends neither on arrival nor on
  /// the number of shards.
  std::vector<Slot> take_touched(const Table& table);
  /// Finds the rows again that were touched and not told when the table was saved.
  void restored(const Table& table);

  /// Emits what changed for up to rows_per_batch / 2 slots, whose results are `now`; a row that is not live is taken
  /// back for good. Old and new row are neighbours in one batch. `stamp_ms` is given to each row.
  Result<> tell(Table& table, const Slot* slots, const std::vector<uint8_t>& live, DataChunk& now,
                std::optional<int64_t> stamp_ms, Emitter& out);

 private:
  size_t flags_offset_;
  std::vector<size_t> outputs_;
  SchemaRef schema_;
  std::vector<Slot> touched_;
};

}  // namespace headrace
