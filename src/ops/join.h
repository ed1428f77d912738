// The join of two streams that may change: a symmetric hash join (Wilschut and Apers, "Dataflow query execution in a
// parallel main-memory environment", 1991) with retractions. A row leaves its state when the watermark says that no
// partner can come any more.
#pragma once

#include <optional>

#include "expr/row_evaluator.h"
#include "ops/operator.h"
#include "plan/nodes.h"
#include "state/keyed_rows.h"

namespace headrace {

/// State: per side the rows by key, with how many partners each has (where that matters) and what was told of it.
///
/// Pairs are told at once. A row that must be told for itself (outer joins: beside NULLs; SEMI: when it has a partner;
/// ANTI: when it has none) is told at the end of the tick, so that partners of one tick cancel out; a row that expires
/// is told for want of a partner only when it expires, so that this is never taken back.
class JoinOperator final : public Operator {
 public:
  JoinOperator(const JoinNode& node, const OperatorContext& context);

  Result<> on_batch(uint32_t input, Batch batch, Emitter& out) override;
  Result<> on_watermark(EventTime time, Emitter& out) override;
  Result<EventTime> on_time_end(Emitter& out) override;
  Result<> on_tick_end(const TickInfo&, Emitter& out) override;
  Result<> tell_waiting(WaitingReport& report) override;
  std::vector<Table*> tables() override;
  Result<> restored(EventTime watermark) override;

 private:
  /// What is kept beside a row.
  struct Kept {
    int64_t expiry_ms, partners;
    int64_t told, touched;
  };
  struct Due {
    int64_t expiry_ms;
    Slot row;
    bool operator<(const Due& other) const { return expiry_ms > other.expiry_ms; }  // The earliest on top of the heap.
  };
  struct Side {
    Side(const std::string& name, const JoinSide& plan, const Output& input, size_t first_column, bool alone);

    const JoinSide& plan;
    size_t first_column;  ///< In the output.
    size_t width;
    bool alone;    ///< Its rows are told for themselves.
    bool changes;  ///< Its rows may be taken back.
    KeyedRows rows;
    std::vector<Due> due;       ///< A heap; entries of rows that are gone are passed over.
    std::vector<Slot> touched;  ///< Rows whose partners changed in this tick.
  };
  /// Rows of a batch and the places where they are kept.
  struct Arrived {
    Batch batch;
    DataChunk keys;
    uint64_t hashes[STANDARD_VECTOR_SIZE];
    std::vector<Slot> slots;  ///< By row; missing_slot for retractions.
  };
  struct Pairs {
    std::vector<uint32_t> rows;
    std::vector<Slot> partners;
  };

  Kept& kept(Side& side, Slot row) { return *reinterpret_cast<Kept*>(side.rows.row_plain(row)); }
  const Kept& read_kept(const Side& side, Slot row) const {
    return *reinterpret_cast<const Kept*>(side.rows.read_row_plain(row));
  }
  bool wanted_alone(int64_t partners) const { return (partners == 0) != (node_.join == JoinKind::semi); }
  std::vector<uint32_t> take_late(uint32_t input, const Batch& batch, Emitter& out) const;
  Result<> tell_partnerless(uint32_t input, Batch& batch, std::vector<uint32_t>& rows, Emitter& out);
  Result<> keep(uint32_t input, Arrived& arrived, std::vector<uint32_t>& unknown, Emitter& out);
  Result<> meet(uint32_t input, Arrived& arrived, Emitter& out);
  Result<> flush(uint32_t input, Arrived& arrived, Pairs& pairs, Emitter& out);
  void note_partner(Side& side, Slot row, int32_t diff);
  void touch(Side& side, Slot row);
  Result<> tell_alone(uint32_t input, const std::vector<Slot>& rows, const std::vector<int32_t>& diffs, Emitter& out);
  Result<> tell_unmatched(uint32_t input, const std::vector<Slot>& rows, Emitter& out);
  static void let_go(Side& side, const std::vector<Slot>& rows);
  std::vector<Slot> waiting(const Side& side) const;
  void sort_by_expiry(const Side& side, std::vector<Slot>& rows) const;
  void put_alone(const Side& side, Batch& out) const;
  Result<> emit(Batch batch, Emitter& out);

  const JoinNode node_;
  SchemaRef schema_;
  bool pairs_told_;  ///< False for SEMI and ANTI.
  std::optional<RowEvaluator> residual_;
  SchemaRef pair_schema_;
  Side sides_[2];
  EventTime closed_ = EventTime::min();
  bool nothing_waits_ = false;  ///< Since the end of time was given out, no row has come.
  /// The greatest of the tick's batches so far: what is told later must not overtake what was told before, whichever
  /// side it came from.
  Ordinal ordinal_;
};

}  // namespace headrace
