// An Operator: batches in, state beside, batches out. No threads, clocks, files or checkpoint code; state sits in
// tables that the engine saves and restores without asking.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "data/batch.h"
#include "duck/evaluator.h"
#include "ops/low_points.h"
#include "state/table.h"

namespace headrace {

struct Input;
struct Output;
struct Plan;

/// What happened to the rows that came in: rows_in = passed + filtered + late + quarantined + held.
struct NodeCounters {
  int64_t rows_in = 0, passed = 0, filtered = 0, late = 0, quarantined = 0, held = 0;
  int64_t rows_out = 0;

  NodeCounters& operator+=(const NodeCounters& other);
};

/// What is the same for all rows of a tick.
struct TickInfo {
  Tick tick;
  int64_t now_us = 0;   ///< The tick's time; now() gives it.
  bool at_end = false;  ///< Every input has ended: nothing comes after this tick.
};

/// What waits in an operator for the watermark, for those who ask why a result is not out.
struct WaitingReport {
  /// A window that is open; or, where there are none, all rows that wait.
  struct Part {
    std::optional<EventTime> start;    ///< Of the window; its end is due + 1 ms.
    EventTime due = EventTime::max();  ///< It is given out when the watermark reaches this; the earliest, of rows.
    int64_t rows = 0;                  ///< Rows of the input that it is made of.
    int64_t results = 0;               ///< Rows that it would give now.
    std::vector<Batch> now;            ///< The first of them.
  };
  std::optional<EventTime> start;  ///< Asked for: only windows that start here.
  size_t parts_max = 0;            ///< Windows told, those that close first; beyond, they are only counted.
  size_t results_max = 0;          ///< Results shown of each.
  std::vector<Part> parts;         ///< In order of `due`.
  int64_t parts_open = 0;          ///< All of them.
  bool session = false;            ///< A window's end moves with its rows.

  bool is_asked_for(EventTime window_start) const { return !start || *start == window_start; }
};

/// Where an operator's output goes. Implemented by the shard.
class Emitter {
 public:
  virtual ~Emitter() = default;
  /// Hands a batch to everyone who reads `output`.
  virtual Result<> emit(Batch batch, uint32_t output) = 0;
  /// Keeps a row that failed, with the reason, in the quarantine.
  virtual void reject(const Batch& batch, uint32_t row, const Error& reason) = 0;
  /// Keeps rows that came too late.
  virtual void late(const Batch& batch, const std::vector<uint32_t>& rows) = 0;
  NodeCounters counters;
};

/// True when what comes out of a node reaches one that has further inputs: there it matters which row comes first, so
/// rows are not held back for a while.
bool meets_others(const Plan& plan, NodeId node);

inline constexpr int64_t never_due = INT64_MAX;

class Operator {
 public:
  virtual ~Operator() = default;

  virtual Result<> on_batch(uint32_t input, Batch batch, Emitter& out) = 0;
  /// The same with a batch that others read after it: its rows stay what they are.
  virtual Result<> on_shared(uint32_t input, Batch& batch, Emitter& out) { return on_batch(input, batch.share(), out); }
  /// The low point over all inputs; rows that it closes are emitted before it is passed on.
  virtual Result<> on_watermark(EventTime, Emitter&) { return {}; }
  /// The latest time at which anything that waits for the low point is due; the earliest time when nothing waits, the
  /// end of time where it is not for single times that it waits.
  virtual EventTime last_due() const { return EventTime::max(); }
  /// The inputs have ended: gives out what waits, by bringing time to last_due(). Says how far that has closed the
  /// operator: rows up to there, which come in a later run over the same state, are late.
  virtual Result<EventTime> on_time_end(Emitter& out);
  virtual Result<> on_tick_end(const TickInfo&, Emitter&) { return {}; }
  /// When a tick tells something even though nothing comes in, in microseconds since 1970: 0 = the next one may, or
  /// `never_due`.
  virtual int64_t due_us() const { return never_due; }
  /// An input will bring nothing any more (static tables).
  virtual Result<> on_end(uint32_t, Emitter&) { return {}; }

  /// Tells what waits for the watermark, and what it would give now. Between ticks only.
  virtual Result<> tell_waiting(WaitingReport&) { return {}; }

  /// The state to be saved, in a fixed order.
  virtual std::vector<Table*> tables() { return {}; }
  /// Rebuilds what is derived from the tables, after they were loaded. `watermark` is the one last passed on.
  virtual Result<> restored(EventTime) { return {}; }
};

/// What an operator may ask for when it is made.
struct OperatorContext {
  /// What comes to an input of the node.
  const Output& output_of(const Input& input) const;

  EvaluationContext& evaluation;
  const Plan& plan;
  const LowPoints& low_points;
  uint32_t shard = 0;
  uint32_t shards = 1;
};

}  // namespace headrace
