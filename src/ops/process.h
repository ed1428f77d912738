// Keyed process function: the rows of each key one after another through a user's code, with typed state and event-time
// timers.
#pragma once

#include <set>

#include "ops/operator.h"
#include "plan/nodes.h"

namespace headrace {

/// State: table "keys" with the key, the state's columns and the timers. Rows of a tick are gathered, and at its end
/// all keys that have rows or timers due go through the function in one call. What a key sees is the same however rows
/// are cut into ticks: its rows in order of arrival, each behind the timers that the watermark before it had passed.
class ProcessOperator final : public Operator {
 public:
  explicit ProcessOperator(const ProcessNode& node);

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;
  Result<> on_watermark(EventTime time, Emitter&) override;
  Result<> on_tick_end(const TickInfo&, Emitter& out) override;
  std::vector<Table*> tables() override { return {&table_}; }
  Result<> restored(EventTime watermark) override;

 private:
  struct Work;
  Work gather_work();
  Result<> run(const Work& work, Emitter& out);
  Result<> split(const Work& work, const Error& reason, Emitter& out);
  Result<> drop_timer(const Work& work, const Error& reason, Emitter& out);
  void reject_row(uint32_t row, const Error& reason, Emitter& out);
  void fill_call(const Work& work, DataChunk& call);
  Result<> take_result(const Work& work, Vector& result, Emitter& out);
  Result<> emit(Vector& lists, size_t count, Emitter& out);
  void note_timer(Slot slot, int64_t next_us);
  int64_t next_timer(Slot slot) const;
  void forget_unused(Slot slot);

  UserFunction function_;
  std::vector<size_t> key_;
  CallTypes types_;
  SchemaRef row_schema_, schema_;
  size_t state_columns_;
  Table table_;
  std::set<std::pair<int64_t, Slot>> due_;  ///< The next timer of each key that has one, in us.
  int64_t watermark_us_ = INT64_MIN;
  DataChunk rows_;  ///< Of this tick, with their stamps in us and their keys' slots.
  std::vector<int64_t> stamps_us_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> groups_by_slot_;  ///< While work is gathered; else all 0.
};

}  // namespace headrace
