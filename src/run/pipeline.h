// The running pipeline as the doors (serve) and the command line (app) see it. Everything here is safe from any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/named.h"
#include "base/result.h"
#include "data/batch.h"
#include "run/why_open.h"

namespace headrace {

class FunctionHost;

/// A view's rows at one tick. Immutable; keeps its rows alive.
class ViewSnapshot {
 public:
  virtual ~ViewSnapshot() = default;
  virtual const SchemaRef& schema() const = 0;
  virtual int64_t rows() const = 0;
  /// Number of blocks to scan; each gives at most rows_per_batch rows.
  virtual size_t blocks() const = 0;
  /// Writes the columns `columns` of block `block` into `out` (initialised with their types). Multiplicities are
  /// written out.
  virtual void scan(size_t block, const std::vector<size_t>& columns, DataChunk& out) const = 0;
};

/// All views at one tick, so that a query over several of them sees one instant.
struct Published {
  Tick tick;
  Tick durable_tick;
  std::map<std::string, std::shared_ptr<const ViewSnapshot>> views;  ///< Keys in lower case.
};

/// The changes of one view in one tick.
struct ViewChanges {
  Tick tick;
  Tick durable_tick;
  bool whole = false;  ///< All rows of the view as inserts: a first call, because `since` was not given or too old.
  bool reset = false;  ///< What corrects changes that a subscriber saw beyond the durable tick before a crash.
  std::vector<std::shared_ptr<const Batch>> batches;  ///< With diffs: > 0 inserted, < 0 retracted.
};

/// What a door gives for rows that came in: durable when returned.
struct Admitted {
  int64_t accepted = 0;
  std::vector<Rejected> rejected;
  int64_t position = 0;   ///< Number of records in the source's log after this request.
  bool repeated = false;  ///< The idempotency key had been seen with the same body: nothing was added.
};

/// Counters of one node of the plan. Rows in = passed + filtered + late + quarantined + held.
struct NodeStatus {
  NodeId id;
  std::string kind, name;
  std::vector<NodeId> inputs;
  int64_t rows_in = 0, rows_passed = 0, rows_filtered = 0, rows_late = 0, rows_quarantined = 0, rows_held = 0;
  int64_t rows_out = 0;
  int64_t busy_us = 0;  ///< Time spent in the node, over all shards.
  int64_t state_rows = 0, state_bytes = 0;
  std::optional<EventTime> watermark;
};

struct SourceStatus {
  std::string name, connector;
  int64_t records_read = 0, records_accepted = 0, records_quarantined = 0;
  bool caught_up = false, ended = false;
  std::optional<int64_t> lag_bytes;
  std::optional<EventTime> watermark;
  int64_t splits_paused = 0;  ///< Not read now: their time is too far ahead of another split's.
  std::string paused_reason;  ///< Of the first of them; "" = none is.
};

struct SinkStatus {
  std::string name, connector;
  int64_t rows_written = 0;  ///< That are committed, since the state directory was new.
  Epoch committed_epoch;
  int64_t last_commit_us = 0;  ///< Wall time, microseconds since 1970.
};

struct PipelineStatus {
  std::string name, lineage;
  Tick tick, durable_tick;
  Epoch epoch;
  bool running = false, ended = false;
  std::optional<Error> failure;
  std::vector<NodeStatus> nodes;
  std::vector<SourceStatus> sources;
  std::vector<SinkStatus> sinks;
  int64_t checkpoint_bytes = 0, checkpoint_us = 0;  ///< Of the last checkpoint.
  int64_t merged_bytes = 0;                         ///< Written by merging segments, since the start.
  int64_t state_memory_bytes = 0, state_spilled_bytes = 0;
  int64_t tick_us = 0;      ///< Duration of the last tick.
  double backpressure = 0;  ///< Share of the last second in which sources waited for the graph, 0 to 1.
};

/// How a row that a node refused gets back to it: over which input, on which shard, and the row itself.
struct Reentry {
  int32_t node = -1;  ///< -1 = it cannot: its bytes are all there is.
  int32_t input = 0, shard = 0, shards = 0;
  int32_t diff = 1;
  bool timed = false;  ///< It had a stamp; at the replay it gets the watermark of then.
  std::string row;     ///< One row as serialize_chunk writes it.
};

/// One quarantined or late record.
struct QuarantineRow {
  int64_t id = 0;
  std::string source;  ///< Source or node it was refused by.
  std::string origin;  ///< File and line, or door and position.
  std::string bytes;
  Code code = Code::malformed_record;
  std::string reason;
  int64_t time_us = 0;  ///< When it was refused.
  bool late = false;
  std::string detail = {};  ///< JSON: the function that failed, its hash, its arguments; "" = no function's fault.
  int64_t replayed_us = 0;  ///< When it was put back; 0 = it still lies here.
  Reentry reentry = {};
};

/// Which rows of the quarantine to put back: all that are named, or all that no name excludes.
struct ReplayRequest {
  std::vector<int64_t> ids;  ///< Empty = whatever the id.
  std::string function;      ///< Refused by this function only.
  std::string source;        ///< Refused by this source or node only.
};

struct Replayed {
  struct Skipped {
    int64_t id = 0;
    std::string reason;
  };
  int64_t rows = 0;              ///< Put back.
  std::vector<Skipped> skipped;  ///< Asked for by id or name, and not put back.
  Tick tick;                     ///< In this tick; durable when told.
};

/// One alert instance: a row of an alert's view whose condition holds.
struct AlertRow {
  uint64_t id = 0;         ///< Of the row within its alert.
  std::string alert, key;  ///< The key is the row as JSON text.
  std::string state;       ///< pending | firing | resolved
  int64_t since_us = 0;    ///< When the condition began to hold (event time where the view has one, else tick time).
  int64_t fired_us = 0, resolved_us = 0;
  int32_t deliveries_failed =
      0;  ///< Tries that failed, of messages about it that still wait; since the engine started.
};

/// A message of an alert that began or ended to fire; durable, to be sent at least once with its key.
struct AlertDelivery {
  uint64_t id = 0;
  std::string alert, webhook;
  std::string key;   ///< Idempotency key: the same for every try.
  std::string body;  ///< JSON.
};

struct ViewInfo {
  std::string name;
  SchemaRef schema;
  std::vector<size_t> key;
  std::string changelog;  ///< append | upsert | retract
  std::optional<size_t> time_column;
};

struct SourceInfo {
  std::string name, connector;
  SchemaRef schema;
};

struct PipelineOptions {
  std::string project_directory;
  std::string state_directory;
  int32_t shards = 0;  ///< 0 = one per core.
  bool until_end = false;
  std::string profile;
  int64_t checkpoint_interval_ms = 1000;
  int64_t state_memory_bytes = 0;    ///< Cap of state in memory; 0 = half of what the process may use.
  int64_t source_drift_ms = 60'000;  ///< How far a split with a backlog may be ahead of the slowest; < 0 = as it likes.
  double speed = 0;                  ///< Overrides the speed of replay sources; 0 = as the project says.
  std::string python = "python3";
  std::shared_ptr<FunctionHost> functions;  ///< nullptr = started for the project, if it has functions.
  const Clock* clock = nullptr;             ///< nullptr = the machine's.
};

class Pipeline {
 public:
  virtual ~Pipeline() = default;

  /// Starts the engine threads. Errors: whatever a source or sink says when opened, corrupt_state, state_mismatch,
  /// state_locked.
  virtual Result<> start() = 0;
  /// Takes a last checkpoint, commits, ends the threads. Idempotent.
  virtual Result<> stop() = 0;
  /// Waits until every source has ended and the last commit is done (until_end), or the pipeline failed or was stopped.
  virtual Result<> wait() = 0;

  virtual PipelineStatus status() const = 0;
  /// The plan as documented JSON (docs/reference/plan.md).
  virtual std::string plan_json() const = 0;
  /// What the accounting says since the state directory was new: per source and per edge, as text for people.
  virtual std::string summary() const = 0;

  virtual const std::vector<ViewInfo>& views() const = 0;
  virtual const std::vector<SourceInfo>& sources() const = 0;

  virtual std::shared_ptr<const Published> published() const = 0;
  /// Calls `on_changes` in tick order, from an engine thread, until the returned handle is dropped; it must not block.
  /// The first call brings everything since `since` (a durable tick, still kept), or the whole view as inserts when
  /// `since` is nullopt or too old.
  virtual Result<std::shared_ptr<void>> subscribe(const std::string& view, std::optional<Tick> since,
                                                  std::function<void(const ViewChanges&)> on_changes) = 0;

  /// Takes a request's body into an http source: decodes, checks, appends to the source's log, and waits until that is
  /// durable. `format` = ndjson | json. Errors: not_found (no such http source), key_reused, overloaded, stopping,
  /// malformed_record (json array).
  virtual Result<Admitted> admit(const std::string& source, std::string_view body, const std::string& format,
                                 const std::string& idempotency_key) = 0;

  /// Why a view's results are not out; with `window` only those of windows that start at this timestamp. Waits for the
  /// end of the tick that runs. Errors: not_found (no such view), bad_request (no timestamp).
  virtual Result<WhyOpen> why_open(const std::string& view, const std::string& window) = 0;
  virtual std::vector<QuarantineRow> quarantine(int64_t after_id, int64_t rows_max) const = 0;
  /// Puts rows of the quarantine back, in the order in which they were refused: broken records into their source, rows
  /// that a node refused into that node. They are marked in the checkpoint that makes their outcome durable, so a row
  /// comes back exactly once, however often it is asked for. Errors: stopping, io_error.
  virtual Result<Replayed> replay(const ReplayRequest& request) = 0;
  /// Takes up functions whose code has changed on disk, between two ticks; gives their names. Errors: function_load;
  /// state_mismatch when a function is new, gone, or of another kind or types: that is another plan.
  virtual Result<std::vector<std::string>> reload_functions() = 0;
  virtual std::vector<AlertRow> alerts() const = 0;
  /// Alert messages that are durable and not yet delivered, oldest first.
  virtual std::vector<AlertDelivery> undelivered() const = 0;
  virtual void delivered(uint64_t id) = 0;
  virtual void delivery_failed(uint64_t id) = 0;
  /// What the function host tells, as JSON.
  virtual std::string functions_json() const = 0;
  /// The project's functions, for queries; nullptr = none.
  virtual FunctionHost* functions() const { return nullptr; }
};

}  // namespace headrace
