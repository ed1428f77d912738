// SESSION as rows: which session a row belongs to is known when the session has closed. Rows are held until then. Takes
// changes as well as plain rows: a row that is taken back in time was never there, and its session may shrink or split.
#pragma once

#include "ops/operator.h"
#include "ops/session_table.h"
#include "plan/nodes.h"
#include "state/keyed_rows.h"

namespace headrace {

/// Adds window_start, window_end and window_time. State: table "sessions", and the rows by key. Sessions come out in
/// order of end, the rows of one in order of arrival. Late rows go to output 1, where the node gives them.
class SessionAssignOperator final : public Operator {
 public:
  explicit SessionAssignOperator(const WindowAssignNode& node);

  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;
  Result<> on_watermark(EventTime time, Emitter& out) override;
  Result<> tell_waiting(WaitingReport& report) override;
  std::vector<Table*> tables() override;
  Result<> restored(EventTime watermark) override;

 private:
  struct Arrived;
  bool add(Arrived& rows, uint32_t row);
  bool take_back(Arrived& rows, uint32_t row);
  void keep_added(Arrived& rows);
  Result<> refuse(const Batch& batch, const std::vector<uint32_t>& rows, Emitter& out);
  Result<> give_out(const std::vector<Slot>& sessions, Emitter& out);
  Result<> flush(std::vector<Slot>& rows, std::vector<Slot>& sessions, Emitter& out);
  int64_t time_of(Slot row) const { return *reinterpret_cast<const int64_t*>(rows_.read_row_plain(row)); }

  const WindowAssignNode node_;
  SchemaRef schema_;
  SessionTable sessions_;
  KeyedRows rows_;
  EventTime closed_ = EventTime::min();
};

}  // namespace headrace
