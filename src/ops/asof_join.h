// The as-of join of two streams: each left row stands beside the nearest right row of its key, as of now. When a nearer
// one comes, or the nearest goes, the pair is taken back and the new one told.
#pragma once

#include <optional>

#include "ops/net_changes.h"
#include "plan/nodes.h"
#include "state/keyed_rows.h"

namespace headrace {

/// State: the rows of both sides by key. A key that is touched in a tick is answered anew at its end, and what differs
/// is told. Of right rows that are equally near the least one counts, columns compared from left to right.
class StreamAsofJoinOperator final : public Operator {
 public:
  StreamAsofJoinOperator(const AsofJoinNode& node, const OperatorContext& context);

  Result<> on_batch(uint32_t input, Batch batch, Emitter& out) override;
  Result<> on_tick_end(const TickInfo&, Emitter& out) override;
  std::vector<Table*> tables() override;
  Result<> restored(EventTime) override;

 private:
  /// The right rows of a key, ascending.
  struct Nearest {
    std::vector<std::string> orders;
    std::vector<Slot> rows;
  };

  void answer(DataChunk& key, uint64_t hash, int32_t diff);
  Nearest sorted(Slot group) const;
  Slot nearest(const Nearest& rows, const std::string& order) const;
  std::vector<std::string> orders_of(uint32_t side, const std::vector<Slot>& rows) const;

  const AsofJoinNode node_;
  SchemaRef schema_;
  size_t left_width_;
  KeyedRows sides_[2];
  size_t orders_[2];
  Table touched_;  ///< Keys that changed in this tick.
  NetChanges changes_;
};

}  // namespace headrace
