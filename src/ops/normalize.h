// Rows that replace each other, as changes: a row of a known key becomes the old row taken back (-1) and the new row
// (+1), which every other operator understands.
#pragma once

#include "ops/operator.h"
#include "plan/nodes.h"

namespace headrace {

/// State: table "rows", the last row of each key. Output keeps the order of arrival, and the watermark before each row;
/// an old row and the new one are neighbours. A row that changes nothing gives nothing; a removal of a key that is not
/// there is filtered.
class NormalizeOperator final : public Operator {
 public:
  explicit NormalizeOperator(const NormalizeNode& node);

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;
  std::vector<Table*> tables() override { return {&table_}; }

 private:
  /// One row of the output: where it stands in the rows before and after (put_before_and_after), and its sign.
  struct Change {
    uint32_t place, row;
    int32_t diff;
  };

  void find_previous(const Batch& batch, const Slot* slots, const uint8_t* created);
  void keep(Batch& batch, const Slot* slots);
  void put_before_and_after(const Batch& batch, const Slot* slots, DataChunk& both) const;
  std::vector<uint8_t> unchanged_rows(const Batch& batch, DataChunk& both) const;
  Result<> emit(const Batch& batch, DataChunk& both, Emitter& out) const;

  SchemaRef schema_;
  std::vector<size_t> key_;
  std::vector<size_t> values_;  ///< The columns beside the key, in the table's order.
  std::vector<size_t> places_;  ///< By column of the output: the table's column.
  Table table_;
  std::vector<uint32_t> by_slot_;   ///< Scratch: the batch's rows, those of one key together, in order.
  std::vector<uint32_t> previous_;  ///< Scratch, by row: where the row before it of its key stands, or `none`.
  std::vector<Change> changes_;     ///< Scratch.
};

}  // namespace headrace
