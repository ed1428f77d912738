// The pipeline as a running thing: the tick loop. A tick takes what each source has ready, runs it through the graph on
// all shards, and publishes the views at once; now and then a tick is made durable.
#pragma once

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "connect/http/source.h"
#include "ops/alert.h"
#include "plan/planner.h"
#include "run/alignment.h"
#include "run/checkpoint_writer.h"
#include "run/errands.h"
#include "run/input.h"
#include "run/pipeline.h"
#include "run/quarantine.h"
#include "run/replay.h"
#include "run/team.h"
#include "run/view_feed.h"
#include "run/watermarks.h"

namespace headrace {

/// A project that was read, planned and checked; nothing runs yet.
struct CheckedProject {
  Project project;
  std::shared_ptr<FunctionHost> functions;
  Planned planned;  ///< Unoptimised.
  Plan optimized;
  std::vector<Error> errors;  ///< All of them.
};

/// Reads, plans and checks a project: every error of SQL, configuration and functions at once.
CheckedProject check_project(const PipelineOptions& options);
/// The same from statements that are there already (tests).
CheckedProject check_statements(const PipelineOptions& options, Project project,
                                const std::vector<Statement>& statements);
/// A pipeline from a project without errors.
std::unique_ptr<Pipeline> make_engine(const PipelineOptions& options, CheckedProject project);

class Engine final : public Pipeline {
 public:
  Engine(PipelineOptions options, CheckedProject project);
  ~Engine() override;

  /// What start() does, but for the tick loop: for tests that drive it by hand, with step() and checkpoint_now().
  Result<> prepare();
  /// One tick with what the sources have.
  Result<> step();
  Result<> checkpoint_now();
  /// Nothing below `time` will be fed any more (tests): what the next step's watermarks are made of.
  void advance_to(EventTime time);
  /// Shows the views of the last checkpoint, without sources and sinks. Errors: not_found (no checkpoint),
  /// state_mismatch, corrupt_state.
  Result<> open_for_reading();

  /// Reads the sources again from their beginning to where `until` stands, instead of start(): of those that are
  /// `there` their rows, of the others the watermark only. At the end what ends of earlier runs had closed (`closed`,
  /// by node) is closed. What sinks get goes to `on_output`; nothing is shown or written. `on_tick` is called after
  /// each tick. Errors: whatever a source says.
  Result<> read_again(const std::map<std::string, SourceCheckpoint>& until, const std::set<std::string>& there,
                      std::vector<EventTime> closed,
                      const std::function<Result<>(NodeId, std::vector<Batch>)>& on_output,
                      const std::function<void()>& on_tick);
  /// The state, to be written into a segment: what changed since the last call, or all.
  Result<std::vector<StateBlock>> save_blocks(bool whole);
  std::map<std::string, SourceCheckpoint> source_checkpoints() const;
  NodeCounters counters_of(NodeId node) const;
  /// How far the ends of the inputs have closed a node: Shard::closed of all shards.
  EventTime closed(NodeId node) const;

  /// Calls `tell` at once, and whenever further messages of alerts are durable; nullptr = not any more. On the writer's
  /// thread and under the engine's lock: it must not ask the engine for anything.
  void on_deliverable(std::function<void()> tell);

  const PipelineOptions& options() const { return options_; }
  /// After stop(): the project, for another engine over it. This one is of no use any more.
  CheckedProject release_project() { return std::move(project_); }

  Result<> start() override;
  Result<> stop() override;
  Result<> wait() override;
  PipelineStatus status() const override;
  std::string plan_json() const override;
  std::string summary() const override;
  const std::vector<ViewInfo>& views() const override { return views_; }
  const std::vector<SourceInfo>& sources() const override { return sources_; }
  std::shared_ptr<const Published> published() const override { return feeds_.published(); }
  Result<std::shared_ptr<void>> subscribe(const std::string& view, std::optional<Tick> since,
                                          std::function<void(const ViewChanges&)> on_changes) override {
    return feeds_.subscribe(view, since, std::move(on_changes));
  }
  Result<Admitted> admit(const std::string& source, std::string_view body, const std::string& format,
                         const std::string& idempotency_key) override;
  Result<WhyOpen> why_open(const std::string& view, const std::string& window) override;
  std::vector<QuarantineRow> quarantine(int64_t after_id, int64_t rows_max) const override {
    return quarantine_.rows(after_id, rows_max);
  }
  Result<Replayed> replay(const ReplayRequest& request) override;
  Result<std::vector<std::string>> reload_functions() override;
  std::vector<AlertRow> alerts() const override;
  std::vector<AlertDelivery> undelivered() const override;
  void delivered(uint64_t id) override;
  void delivery_failed(uint64_t id) override;
  std::string functions_json() const override;
  FunctionHost* functions() const override { return project_.functions.get(); }

 private:
  InputContext input_context();
  Result<> make_inputs(const InputContext& context);
  Result<> restore();
  Result<> check_fingerprint(const std::optional<Manifest>& last) const;
  Result<> restore_operators();
  void make_shards();
  Result<> load_blocks(const Manifest& manifest);
  std::vector<TableRecord> table_records();
  void loop();
  Result<> run();
  Result<> load_static_tables();
  Result<bool> poll(TickWork& work);
  Result<bool> take_replays(TickWork& work);
  Result<> put_back(const QuarantineRow& row, const std::vector<EventTime>& marks, TickWork& work);
  Result<> run_tick(TickWork& work);
  Result<> run_stages(TickWork& work);
  NodeMarks source_marks() const;
  std::vector<EventTime> watermarks() const;
  void set_low_points(const TickWork& work);
  Result<> relieve_memory();
  Result<> fail_on_refused(const TickWork& work) const;
  Result<> keep_refused(const TickWork& work);
  void publish(const TickInfo& tick);
  void note_waiting();
  void note_alert(const AlertNode& alert, const AlertChange& change);
  std::string webhook_of(const std::string& alert) const;
  void refresh_status();
  bool checkpoint_due() const;
  Result<> checkpoint();
  void tell_committed();
  void wait_for_input();
  void wake();
  int64_t waiting_rows() const;
  bool all_ended() const;
  std::string quarantine_summary() const;

  PipelineOptions options_;
  CheckedProject project_;
  const Clock& clock_;
  uint32_t shards_count_;
  Graph graph_;
  std::vector<ViewInfo> views_;
  std::vector<SourceInfo> sources_;
  std::shared_ptr<StateMemory> memory_;
  ViewFeeds feeds_;
  Quarantine quarantine_;
  ReplayQueue replays_;
  std::vector<std::unique_ptr<ReplayQueue::Waiting>> replaying_;  ///< In the tick that is about to run.

  std::unique_ptr<StateDirectory> directory_;
  Manifest manifest_;                                 ///< Of the last checkpoint begun.
  std::vector<std::unique_ptr<SourceInput>> inputs_;  ///< In order of their nodes.
  Alignment alignment_;
  NodeMarks passed_;      ///< How far the sources had come after the last tick.
  LowPoints low_points_;  ///< Of the tick that runs.
  std::map<std::string, std::shared_ptr<HttpDoor>> doors_;
  std::vector<SinkOutput> sinks_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::unique_ptr<Team> team_;
  std::unique_ptr<CheckpointWriter> writer_;
  std::vector<NodeCounters> counters_before_;  ///< From the checkpoint that was restored.
  std::vector<EventTime> closed_before_;       ///< read_again(): by node.
  bool whole_next_ = false;  ///< The next checkpoint holds all state: other shards hold it than the last time.
  bool changed_ = false;     ///< Something happened since the last checkpoint.
  int64_t last_checkpoint_ns_ = 0, last_status_ns_ = 0, tick_us_ = 0;
  int64_t due_us_ = never_due;  ///< When a tick may tell something though nothing comes in.

  Errands errands_;
  mutable std::mutex mutex_;
  std::condition_variable change_;
  bool woken_ = false, delivered_ = false, stopping_ = false, finished_ = false, started_ = false;
  std::optional<Error> failure_;
  PipelineStatus status_;
  std::map<std::pair<uint32_t, Slot>, AlertRow> alerts_;  ///< By node, and place in the alert's table.
  std::vector<PendingDelivery> deliveries_;
  std::map<std::string, std::string> committed_;  ///< Positions that sources have yet to hear of.
  uint64_t next_delivery_ = 1, durable_delivery_ = 0;
  std::function<void()> on_deliverable_;
  std::thread thread_;
};

}  // namespace headrace
