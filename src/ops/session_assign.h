// SESSION as rows: which session a row belongs to is known when the session has closed. Rows are held until then; where
// the node's output changes (EMIT ON UPDATE), they are told every tick in the session that they belong to so far. Takes
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
  EventTime last_due() const override { return sessions_.last_due(); }
  Result<> on_tick_end(const TickInfo&, Emitter& out) override;
  Result<> tell_waiting(WaitingReport& report) override;
  std::vector<Table*> tables() override;
  Result<> restored(EventTime watermark) override;

 private:
  struct Arrived;
  /// The bounds of the session that a row was told in, in ms; zeros where it was not.
  struct Told {
    int64_t start, end;
    bool operator==(const Told&) const = default;
    bool is_set() const { return start != end; }
  };
  /// Rows to be told, each in a session.
  struct Changes {
    std::vector<Slot> rows;
    std::vector<Told> windows;
    std::vector<int32_t> diffs;

    void add(Slot row, Told window, int32_t diff) {
      rows.push_back(row);
      windows.push_back(window);
      diffs.push_back(diff);
    }
  };
  bool add(Arrived& rows, uint32_t row);
  bool take_back(Arrived& rows, uint32_t row);
  void keep_added(Arrived& rows);
  Result<> refuse(const Batch& batch, const std::vector<uint32_t>& rows, Emitter& out);
  template <class Body>
  Result<> each_row(const std::vector<Slot>& sessions, Body body);
  Result<> give_out(const std::vector<Slot>& sessions, Emitter& out);
  Result<> tell_taken(Arrived& rows, Emitter& out);
  Result<> tell_changes(Emitter& out);
  std::vector<Slot> touched_sessions();
  Result<> emit(Changes& changes, Emitter& out);
  void put_windows(const std::vector<Told>& windows, Batch& batch) const;
  int64_t time_of(Slot row) const { return *reinterpret_cast<const int64_t*>(rows_.read_row_plain(row)); }
  const Told& told(Slot row) const {
    return *reinterpret_cast<const Told*>(rows_.read_row_plain(row) + sizeof(int64_t));
  }

  const WindowAssignNode node_;
  SchemaRef schema_;
  const bool tells_;
  SessionTable sessions_;
  KeyedRows rows_;
  bool overdue_ = false;  ///< A session may have fallen apart: its older part may end behind closed_.
  EventTime closed_ = EventTime::min();
  std::vector<Slot> touched_;  ///< Heads of the keys whose rows may have to be told anew.
};

}  // namespace headrace
