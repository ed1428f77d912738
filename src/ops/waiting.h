// What waits in operators for the watermark, gathered for those who ask why a result is not out.
#pragma once

#include "ops/operator.h"
#include "ops/session_table.h"

namespace headrace {

/// Takes what an operator gives instead of handing it on; what it refuses is left out.
class Gathered final : public Emitter {
 public:
  Result<> emit(Batch batch, uint32_t) override {
    batches.push_back(std::move(batch));
    return {};
  }
  void reject(const Batch&, uint32_t, const Error&) override {}
  void late(const Batch&, const std::vector<uint32_t>&) override {}

  std::vector<Batch> batches;
};

/// Tells rows that wait without windows, the earliest of them due at `due_ms`.
inline void tell_rows(WaitingReport& report, int64_t rows, int64_t due_ms) {
  if (rows == 0 || report.start) return;
  WaitingReport::Part& part = report.parts.emplace_back();
  part.due = EventTime{due_ms};
  part.rows = rows;
  ++report.parts_open;
}

/// Tells the open sessions that are asked for; `fill(slot, part)` adds what is known of one beside its times.
template <class Fill>
Result<> tell_sessions(WaitingReport& report, const SessionTable& sessions, Fill fill) {
  report.session = true;
  for (Slot slot : sessions.open()) {
    const SessionTable::Session& session = sessions.at(slot);
    if (!report.is_asked_for(EventTime{session.start})) continue;
    ++report.parts_open;
    if (report.parts.size() == report.parts_max) continue;
    WaitingReport::Part& part = report.parts.emplace_back();
    part.start = EventTime{session.start};
    part.due = EventTime{session.end - 1};
    HEADRACE_TRY(fill(slot, part));
  }
  return {};
}

}  // namespace headrace
