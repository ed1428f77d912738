#include "run/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <random>

#include "base/json_text.h"
#include "base/log_line.h"
#include "base/memory_limit.h"
#include "base/text.h"
#include "codec/scalar_text.h"
#include "ops/outlet.h"
#include "plan/plan_json.h"
#include "run/explain_open.h"
#include "run/table_loader.h"

namespace headrace {
namespace {

constexpr int64_t bytes_per_poll = 2 << 20;  ///< Taken from one source in one tick.
constexpr int64_t waiting_rows_max =
    1'000'000;  ///< Rows for sinks held in memory; beyond, the tick loop waits for the disk.
constexpr int64_t checkpoint_rows = 200'000;  ///< Rows for sinks that make a checkpoint due.
constexpr int64_t status_interval_ns = 100'000'000;
constexpr int64_t idle_tick_us_min = 100'000;  ///< Between ticks that nothing comes in for.
constexpr int64_t quick_tick_us = 50'000;      ///< So long a first reader may wait.
constexpr uint64_t ticks_per_start = uint64_t{1}
                                     << 36;  ///< Numbers for the ticks of one start; JSON holds 2^17 starts exactly.

std::string new_lineage() {
  std::random_device random;
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", random(), random(), random(), random());
}

}  // namespace

Engine::Engine(PipelineOptions options, CheckedProject project)
    : options_(std::move(options)),
      project_(std::move(project)),
      clock_(options_.clock ? *options_.clock : system_clock()),
      shards_count_(options_.shards > 0 ? static_cast<uint32_t>(options_.shards)
                                        : std::max(1u, std::thread::hardware_concurrency())),
      graph_(make_graph(project_.optimized, shards_count_)),
      memory_(std::make_shared<StateMemory>(
          options_.state_memory_bytes > 0 ? options_.state_memory_bytes : memory_limit_bytes() / 2,
          options_.state_directory)),
      feeds_(graph_.plan),
      alignment_(graph_.plan, options_.source_drift_ms),
      passed_(graph_.plan.nodes.size()),
      errands_([this] { wake(); }) {
  for (const Node& node : graph_.plan.nodes) {
    const NodeBase& base = base_of(node);
    if (std::holds_alternative<ViewNode>(node)) {
      views_.push_back({base.name, base.output.schema(), base.output.key, std::string(word_of(base.output.changelog)),
                        base.output.time_column()});
    }
  }
  for (const Node& node : project_.planned.plan.nodes)
    if (auto* source = std::get_if<SourceNode>(&node))
      sources_.push_back({source->name, source->connector, std::make_shared<Schema>(source->declared)});
  status_.name = project_.project.name;
}

Engine::~Engine() {
  // What went wrong was told by wait() and stop() already.
  [[maybe_unused]] Result<> stopped = stop();
}

// ---- Start ----

InputContext Engine::input_context() {
  return {options_.project_directory, options_.state_directory, options_.until_end, options_.speed, &clock_,
          project_.functions.get(),   [this] { wake(); }};
}

Result<> Engine::make_inputs(const InputContext& context) {
  for (const Node& node : graph_.plan.nodes) {
    auto* source = std::get_if<SourceNode>(&node);
    if (source == nullptr) continue;
    HEADRACE_ASSIGN(std::unique_ptr<SourceInput> input, SourceInput::make(*source, context));
    if (std::shared_ptr<HttpDoor> door = door_of(input->source())) {
      // The door checks the contract over all declared columns, so that a sender hears of it at once.
      const SourceNode* declared = nullptr;
      for (const Node& other : project_.planned.plan.nodes)
        if (auto* s = std::get_if<SourceNode>(&other); s && same_name(s->name, source->name)) declared = s;
      door->set_check([this, declared]() -> HttpDoor::Check {
        std::shared_ptr<EvaluationContext> evaluation = project_.planned.session->make_context();
        Result<std::unique_ptr<Intake>> intake = Intake::make(*declared, *evaluation);
        if (!intake) return [error = intake.error()](Decoded&) -> Result<> { return error; };
        return [this, evaluation, shared = std::shared_ptr<Intake>(*std::move(intake))](Decoded& decoded) {
          return shared->check(decoded, clock_.now_us());
        };
      });
      doors_[lower_case(source->name)] = door;
    }
    inputs_.push_back(std::move(input));
  }
  return {};
}

Result<> Engine::check_fingerprint(const std::optional<Manifest>& last) const {
  if (!last || last->plan == plan_fingerprint(graph_.plan)) return {};
  return user_error(Code::state_mismatch,
                    "the state directory " + options_.state_directory + " belongs to another version of this pipeline")
      .with_remedy("see what would change with headrace plan " + options_.project_directory +
                   " and go over to this version with headrace apply " + options_.project_directory +
                   "; or run with a new state directory (--state)");
}

/// Brings the operators, whose tables have been loaded, to where the last run ended.
Result<> Engine::restore_operators() {
  const std::vector<EventTime> marks = watermarks();
  const std::vector<EventTime> closed = closed_below(graph_.plan, manifest_.closed);
  for (auto& shard : shards_) {
    for (uint32_t node = 0; node < marks.size(); ++node) {
      shard->set_closed(NodeId{node}, closed[node]);
      if (Operator* op = shard->op(NodeId{node})) HEADRACE_TRY(op->restored(std::max(marks[node], closed[node])));
    }
  }
  return {};
}

void Engine::make_shards() {
  for (uint32_t shard = 0; shard < shards_count_; ++shard)
    shards_.push_back(std::make_unique<Shard>(graph_, low_points_, shard, shards_count_, memory_,
                                              project_.planned.session->make_context()));
  std::vector<Shard*> all;
  for (auto& shard : shards_) all.push_back(shard.get());
  for (auto& shard : shards_) shard->connect(all);
}

/// Brings state, sinks and sources to the last checkpoint.
Result<> Engine::restore() {
  HEADRACE_ASSIGN(std::optional<Manifest> last, directory_->last());
  HEADRACE_TRY(check_fingerprint(last));
  if (last) manifest_ = *std::move(last);
  if (manifest_.lineage.empty()) manifest_.lineage = new_lineage();
  manifest_.plan = plan_fingerprint(graph_.plan);
  if (manifest_.nodes.empty()) manifest_.nodes = records_of(graph_.plan, project_.functions.get(), &names_data);
  counters_before_ = manifest_.counters;
  counters_before_.resize(graph_.plan.nodes.size());
  for (auto& shard : shards_) HEADRACE_TRY(shard->prepare());
  HEADRACE_TRY(load_blocks(manifest_));
  manifest_.shards = shards_count_;
  manifest_.tables = table_records();
  HEADRACE_TRY(writer_->open_sinks(manifest_));
  for (auto& input : inputs_) {
    auto known = manifest_.sources.find(input->node().name);
    HEADRACE_TRY(input->open(known == manifest_.sources.end() ? nullptr : &known->second));
  }
  passed_ = source_marks();
  HEADRACE_TRY(restore_operators());
  quarantine_.restored(manifest_.quarantine_next);
  deliveries_ = manifest_.deliveries;
  for (const PendingDelivery& delivery : deliveries_) next_delivery_ = std::max(next_delivery_, delivery.id + 1);
  durable_delivery_ = next_delivery_ - 1;
  // Ticks of another life never come again under the same number.
  HEADRACE_ASSIGN(const uint64_t starts, directory_->count_start());
  const Tick durable = manifest_.tick;
  status_.durable_tick = durable;
  manifest_.tick = std::max(durable, Tick{starts * ticks_per_start});
  feeds_.start_at(durable, manifest_.tick);
  return {};
}

/// Each shard takes what it holds now.
Result<> Engine::load_blocks(const Manifest& manifest) {
  HEADRACE_ASSIGN(const Segments segments, directory_->load(manifest));
  for (const SavedImages& block : segments.blocks()) {
    if (block.place.node != quarantine_node) continue;
    HEADRACE_ASSIGN(const std::vector<std::string_view> images, block.checked());
    HEADRACE_TRY(quarantine_.table().load(block.place.block, images));
  }
  whole_next_ = manifest.shards != shards_count_;
  return load_tables(segments, manifest.shards, graph_.plan, shards_, *memory_);
}

/// What the tables of all nodes are made of.
std::vector<TableRecord> Engine::table_records() {
  const auto texts = [](const std::vector<LogicalType>& types) {
    std::vector<std::string> out;
    for (const LogicalType& type : types) out.push_back(type.ToString());
    return out;
  };
  std::vector<TableRecord> out;
  for (uint32_t node = 0; node < graph_.plan.nodes.size(); ++node) {
    Operator* op = shards_[0]->op(NodeId{node});
    const std::vector<Table*> tables = op ? op->tables() : std::vector<Table*>{};
    for (uint32_t table = 0; table < tables.size(); ++table) {
      const TableSpec& spec = tables[table]->spec();
      out.push_back({node, table, spec.name, spec.names, texts(spec.key), texts(spec.values), spec.plain_bytes});
    }
  }
  return out;
}

Result<> Engine::open_for_reading() {
  HEADRACE_ASSIGN(directory_, StateDirectory::open(options_.state_directory));
  HEADRACE_ASSIGN(std::optional<Manifest> last, directory_->last());
  if (!last) return no_durable_state(options_.state_directory);
  HEADRACE_TRY(check_fingerprint(last));
  manifest_ = *std::move(last);
  make_shards();
  for (auto& shard : shards_) HEADRACE_TRY(shard->prepare());
  HEADRACE_TRY(load_blocks(manifest_));
  publish({manifest_.tick});
  feeds_.durable(manifest_.tick);
  return {};
}

Result<> Engine::prepare() {
  HEADRACE_ASSIGN(directory_, StateDirectory::open(options_.state_directory));
  HEADRACE_TRY(make_inputs(input_context()));
  HEADRACE_ASSIGN(sinks_, make_sinks(graph_.plan, options_, clock_, project_.functions.get()));
  make_shards();
  CheckpointWriter::Events events;
  events.durable = [this](const Manifest& manifest) {
    feeds_.durable(manifest.tick);
    replays_.durable(manifest.tick);
    // Sources hear of it on the tick loop's thread, which owns them.
    std::lock_guard lock(mutex_);
    status_.durable_tick = manifest.tick;
    status_.epoch = manifest.epoch;
    const uint64_t last_delivery = durable_delivery_;
    for (const PendingDelivery& delivery : manifest.deliveries)
      durable_delivery_ = std::max(durable_delivery_, delivery.id);
    if (durable_delivery_ > last_delivery && on_deliverable_) on_deliverable_();
    for (const auto& [name, source] : manifest.sources) committed_[name] = source.position;
    woken_ = true;
    change_.notify_all();
  };
  writer_ = std::make_unique<CheckpointWriter>(*directory_, sinks_, clock_, std::move(events));
  HEADRACE_TRY(restore());
  team_ = std::make_unique<Team>(shards_count_);
  return load_static_tables();
}

Result<> Engine::read_again(const std::map<std::string, SourceCheckpoint>& until, const std::set<std::string>& there,
                            std::vector<EventTime> closed,
                            const std::function<Result<>(NodeId, std::vector<Batch>)>& on_output,
                            const std::function<void()>& on_tick) {
  InputContext context = input_context();
  context.until = &until;
  HEADRACE_TRY(make_inputs(context));
  make_shards();
  for (auto& shard : shards_) {
    HEADRACE_TRY(shard->prepare());
    for (uint32_t node = 0; node < graph_.plan.nodes.size(); ++node)
      if (Operator* op = shard->op(NodeId{node})) HEADRACE_TRY(op->restored(EventTime::min()));
  }
  for (auto& input : inputs_) {
    auto known = until.find(input->node().name);
    if (input->node().is_static)
      HEADRACE_TRY(input->open(nullptr));
    else if (known == until.end())
      input->leave_out();
    else
      HEADRACE_TRY(input->open_again(known->second, there.count(known->first) > 0));
  }
  closed_before_ = std::move(closed);
  counters_before_.resize(graph_.plan.nodes.size());
  team_ = std::make_unique<Team>(shards_count_);
  HEADRACE_TRY(load_static_tables());
  do {
    HEADRACE_TRY(step());
    for (const Node& node : graph_.plan.nodes)
      if (std::holds_alternative<SinkNode>(node))
        HEADRACE_TRY(
            on_output(base_of(node).id, static_cast<OutletOperator&>(*shards_[0]->op(base_of(node).id)).take()));
    on_tick();
  } while (!all_ended());
  quarantine_.flush();
  return {};
}

std::map<std::string, SourceCheckpoint> Engine::source_checkpoints() const {
  std::map<std::string, SourceCheckpoint> out;
  for (const auto& input : inputs_)
    if (!input->node().is_static) out[input->node().name] = input->checkpoint();
  return out;
}

Result<> Engine::step() {
  TickWork work;
  HEADRACE_ASSIGN(bool input, poll(work));
  (void)input;
  return run_tick(work);
}

Result<> Engine::checkpoint_now() {
  HEADRACE_TRY(checkpoint());
  return writer_->wait_idle();
}

void Engine::advance_to(EventTime time) {
  for (auto& input : inputs_) input->advance_to(time);
}

Result<> Engine::start() {
  HEADRACE_TRY(prepare());
  {
    std::lock_guard lock(mutex_);
    started_ = true;
    status_.running = true;
    status_.lineage = manifest_.lineage;
    status_.tick = manifest_.tick;
    status_.epoch = manifest_.epoch;
  }
  errands_.open();
  thread_ = std::thread([this] { loop(); });
  return {};
}

// ---- The tick loop ----

void Engine::loop() {
  Result<> done = run();
  if (done) done = writer_->wait_idle();
  if (!done) log_error("pipeline_failed", done.error());
  refresh_status();
  errands_.close();
  replays_.close(environment_error(Code::stopping, "the pipeline has ended"));
  std::lock_guard lock(mutex_);
  if (!done) failure_ = std::move(done).error();
  status_.failure = failure_;
  status_.running = false;
  status_.ended = !failure_ && !stopping_;
  finished_ = true;
  change_.notify_all();
}

Result<> Engine::run() {
  last_checkpoint_ns_ = clock_.steady_ns();
  for (bool first = true;; first = false) {
    {
      std::lock_guard lock(mutex_);
      if (stopping_) break;
      woken_ = false;
      changed_ = changed_ || std::exchange(delivered_, false);
    }
    errands_.run_waiting();
    tell_committed();
    TickWork work;
    HEADRACE_ASSIGN(bool input, take_replays(work));
    HEADRACE_ASSIGN(const bool polled, poll(work));
    input = input || polled;
    if (input || first || clock_.now_us() >= due_us_) HEADRACE_TRY(run_tick(work));
    if (checkpoint_due() && (writer_->idle() || waiting_rows() > waiting_rows_max)) HEADRACE_TRY(checkpoint());
    if (options_.until_end && all_ended()) break;
    if (!input) wait_for_input();
  }
  // The last commit of every sink; what was taken in is durable when the loop ends.
  if (changed_ || waiting_rows() > 0) HEADRACE_TRY(checkpoint());
  HEADRACE_TRY(writer_->finish());
  tell_committed();
  return {};
}

/// Reads the tables that look-ups need to their end, before anything else.
Result<> Engine::load_static_tables() {
  bool any = false;
  for (auto& input : inputs_) any = any || input->node().is_static;
  if (!any) return {};
  for (bool ended = false; !ended;) {
    TickWork work;
    work.loading_tables = true;
    ended = true;
    for (auto& input : inputs_) {
      if (!input->node().is_static) continue;
      HEADRACE_TRY(input->poll(bytes_per_poll, work));
      ended = ended && input->ended();
    }
    if (ended)
      for (const Edge& edge : graph_.edges)
        if (edge.input == 1 && looks_up(graph_.plan[edge.to])) work.tables_complete.push_back(edge.to);
    HEADRACE_TRY(run_tick(work));
  }
  return {};
}

/// Puts rows of the quarantine before the tick's own.
Result<bool> Engine::take_replays(TickWork& work) {
  replaying_ = replays_.take();
  if (replaying_.empty()) return false;
  const std::vector<EventTime> marks = watermarks();
  std::vector<int64_t> ids;
  for (auto& waiting : replaying_) {
    for (const QuarantineRow& row :
         select_rows(quarantine_, waiting->request, graph_, static_cast<int32_t>(shards_count_), waiting->outcome)) {
      if (std::find(ids.begin(), ids.end(), row.id) != ids.end()) continue;  // Two requests for one row.
      HEADRACE_TRY(put_back(row, marks, work));
      ids.push_back(row.id);
      ++waiting->outcome.rows;
    }
  }
  quarantine_.mark_replayed(ids, clock_.now_us());
  return true;
}

Result<> Engine::put_back(const QuarantineRow& row, const std::vector<EventTime>& marks, TickWork& work) {
  if (row.reentry.node >= 0) {
    const auto node = NodeId{static_cast<uint32_t>(row.reentry.node)};
    const Edge& edge = graph_.edges[graph_.incoming[node.value][static_cast<size_t>(row.reentry.input)]];
    HEADRACE_ASSIGN(ReenteringRow entering, reenter(row, graph_, marks[edge.from.node.value]));
    --shards_[0]->counters(node).rows_in;  // It stands in the books once, wherever it is.
    --shards_[0]->counters(node).quarantined;
    work.reentering.push_back(std::move(entering));
    return {};
  }
  for (auto& input : inputs_) {
    if (input->node().name != row.source) continue;
    const std::unique_ptr<EvaluationContext> evaluation = project_.planned.session->make_context();
    MorselJob job;
    job.source = input->node().id;
    job.ordinal = ordinal_of(job.source, 0);
    job.is_taken = true;
    HEADRACE_ASSIGN(job.taken, take_again(input->node(), row, *evaluation, clock_.now_us()));
    input->take_back(1);
    work.jobs.push_back(std::move(job));
  }
  return {};
}

/// True when something came, or more is there to be taken at once.
Result<bool> Engine::poll(TickWork& work) {
  const auto replayed = static_cast<std::ptrdiff_t>(work.jobs.size());
  bool input = false;
  std::vector<bool> polled(inputs_.size());
  // A source that gives all it has releases those that waited for it, in the same tick.
  for (bool any = true; std::exchange(any, false);) {
    alignment_.pause(inputs_);
    for (size_t i = 0; i < inputs_.size(); ++i) {
      SourceInput& source = *inputs_[i];
      input = input || source.splits_paused() > 0;
      if (polled[i] || source.paused()) continue;
      polled[i] = any = true;
      const bool ended = source.ended();
      HEADRACE_TRY(source.poll(bytes_per_poll, work));
      input = input || source.ended() != ended;
    }
  }
  std::stable_sort(work.jobs.begin() + replayed, work.jobs.end(),
                   [](const MorselJob& a, const MorselJob& b) { return a.source.value < b.source.value; });
  return input || !work.jobs.empty();
}

Result<> Engine::run_stages(TickWork& work) {
  for (uint32_t stage = 0; stage < graph_.stages; ++stage)
    HEADRACE_TRY(team_->run([&](uint32_t shard) { return shards_[shard]->run_stage(work, stage); }));
  HEADRACE_TRY(keep_refused(work));
  return relieve_memory();
}

Result<> Engine::run_tick(TickWork& work) {
  const int64_t started = clock_.steady_ns();
  if (!work.loading_tables) manifest_.tick = Tick{manifest_.tick.value + 1};
  // What has left by the clock must not be there again: time does not go back, whatever the clock does.
  manifest_.now_us = std::max(manifest_.now_us, clock_.now_us());
  work.info = {manifest_.tick, manifest_.now_us, all_ended()};
  HEADRACE_TRY(team_->run([&](uint32_t shard) { return shards_[shard]->take_in(work); }));
  for (auto& input : inputs_) {
    input->stamp(work);
    input->account(work);
  }
  HEADRACE_TRY(fail_on_refused(work));
  set_low_points(work);
  work.marks = marks_below(graph_.plan, source_marks());
  if (work.info.at_end) work.closing = closed_before_;
  if (!work.loading_tables) feeds_.change(started, tick_us_ < quick_tick_us);
  if (Result<> done = run_stages(work); !done) {
    feeds_.close();
    return done;
  }
  for (auto& waiting : std::exchange(replaying_, {})) {
    waiting->outcome.tick = work.info.tick;
    replays_.done(std::move(waiting));
  }
  changed_ = true;
  if (work.loading_tables) return {};
  note_waiting();
  publish(work.info);
  tick_us_ = (clock_.steady_ns() - started) / 1000;
  std::lock_guard lock(mutex_);
  status_.tick = work.info.tick;
  status_.tick_us = tick_us_;
  return {};
}

/// Lets each shard move its part of what is too much to the disk.
Result<> Engine::relieve_memory() {
  const int64_t excess = memory_->excess();
  if (excess == 0) return {};
  return team_->run([&](uint32_t shard) -> Result<> {
    shards_[shard]->spill(excess / shards_count_);
    return {};
  });
}

/// A source with on_error = 'fail' ends the pipeline with the first record it refuses; nothing of the tick becomes
/// durable.
Result<> Engine::fail_on_refused(const TickWork& work) const {
  for (const MorselJob& job : work.jobs) {
    const auto& source = std::get<SourceNode>(graph_.plan[job.source]);
    if (source.on_error != OnError::fail || job.taken.rejected.empty()) continue;
    const Rejected& first = job.taken.rejected.front();
    return user_error(first.code, first.origin + ": " + first.reason)
        .with_remedy("mend the record, or say on_error = 'quarantine' in source '" + source.name + "'");
  }
  return {};
}

NodeMarks Engine::source_marks() const {
  NodeMarks out(graph_.plan.nodes.size());
  for (const auto& input : inputs_) {
    out.watermark[input->node().id.value] = input->watermark();
    out.reached[input->node().id.value] = input->reached();
  }
  return out;
}

/// By node.
std::vector<EventTime> Engine::watermarks() const {
  return marks_below(graph_.plan, source_marks()).watermark;
}

/// Sets, for the rows of each source, how far the others have come when they are merged in order of the sources: those
/// before it with all their rows of this tick, those behind it without.
void Engine::set_low_points(const TickWork& work) {
  low_points_.clear();
  const NodeMarks after = source_marks();
  NodeMarks merged = passed_;
  for (const auto& input : inputs_) {
    const NodeId source = input->node().id;
    merged.watermark[source.value] = merged.reached[source.value] = EventTime::max();
    if (std::any_of(work.jobs.begin(), work.jobs.end(), [&](const MorselJob& job) { return job.source == source; }))
      low_points_.set(source, marks_below(graph_.plan, merged).watermark);
    merged.watermark[source.value] = after.watermark[source.value];
    merged.reached[source.value] = after.reached[source.value];
  }
  passed_ = after;
}

/// Puts what was refused in this tick into the quarantine; with on_error = 'fail' it ends the pipeline instead.
Result<> Engine::keep_refused(const TickWork& work) {
  for (const MorselJob& job : work.jobs)
    for (const Rejected& record : job.taken.rejected)
      quarantine_.add(base_of(graph_.plan[job.source]).name, record, work.info.now_us);
  std::vector<RefusedRow> refused;
  for (auto& shard : shards_)
    for (RefusedRow& row : shard->take_refused()) refused.push_back(std::move(row));
  std::stable_sort(refused.begin(), refused.end(),
                   [](const RefusedRow& a, const RefusedRow& b) { return a.ordinal < b.ordinal; });
  for (RefusedRow& row : refused) {
    const NodeBase& node = base_of(graph_.plan[row.node]);
    if (node.on_error == OnError::fail && !row.late)
      return user_error(row.record.code, row.record.origin + ": " + row.record.reason)
          .with_remedy("mend the expression, or say on_error = 'quarantine' in '" + node.name + "'")
          .with_location(node.at);
    quarantine_.add(node.name, std::move(row), work.info.now_us);
  }
  return {};
}

void Engine::publish(const TickInfo& tick) {
  std::map<std::string, std::shared_ptr<const ViewSnapshot>> views;
  std::map<std::string, std::vector<std::shared_ptr<const Batch>>> changes;
  for (const Node& node : graph_.plan.nodes) {
    if (!std::holds_alternative<ViewNode>(node)) continue;
    const NodeBase& base = base_of(node);
    const std::string name = lower_case(base.name);
    std::vector<std::shared_ptr<const TableSnapshot>> tables;
    for (auto& shard : shards_) {
      auto& view = static_cast<ViewOperator&>(*shard->op(base.id));
      tables.push_back(view.table().snapshot());
      for (auto& batch : view.take_changes()) changes[name].push_back(std::move(batch));
    }
    views[name] = std::make_shared<TablesSnapshot>(base.output.schema(), std::move(tables));
  }
  feeds_.publish(tick.tick, Tick{}, std::move(views), std::move(changes));
  if (writer_ && clock_.steady_ns() - last_status_ns_ > status_interval_ns) refresh_status();
}

void Engine::note_waiting() {
  bool wait = false;
  std::lock_guard lock(mutex_);
  for (const Node& node : graph_.plan.nodes) {
    auto* alert = std::get_if<AlertNode>(&node);
    if (alert == nullptr) continue;
    auto& op = static_cast<AlertOperator&>(*shards_[0]->op(alert->id));
    for (const AlertChange& change : op.take_changes()) note_alert(*alert, change);
    wait = wait || op.waits_for_clock();
  }
  int64_t due_us = wait ? 0 : never_due;
  for (const auto& shard : shards_) due_us = std::min(due_us, shard->due_us());
  due_us_ = due_us == never_due ? never_due : std::max(due_us, manifest_.now_us + idle_tick_us_min);
}

/// Shows what has become of an alert's row, and writes the message of one that began or ended to fire; under the lock.
void Engine::note_alert(const AlertNode& alert, const AlertChange& change) {
  static constexpr const char* words[] = {"", "pending", "firing", "resolved"};
  const std::pair place(alert.id.value, change.slot);
  if (!change.now) {
    alerts_.erase(place);
    return;
  }
  const AlertInstance& now = *change.now;
  const AlertRow& shown =
      alerts_[place] = {now.id,       alert.name,   row_json(*now.row, 0), words[static_cast<int>(now.state)],
                        now.since_us, now.fired_us, now.resolved_us,       0};
  if (!change.event || alert.webhook.empty()) return;
  std::string body =
      fmt::format("{{\"pipeline\":{},\"alert\":{},\"state\":\"{}\",\"row\":{},\"since_us\":{},\"tick\":{}}}",
                  json_string(project_.project.name), json_string(alert.name), shown.state, shown.key, now.since_us,
                  manifest_.tick.value);
  deliveries_.push_back({next_delivery_++, alert.name, now.id, std::move(body)});
}

EventTime Engine::closed(NodeId node) const {
  EventTime out = EventTime::min();
  for (const auto& shard : shards_) out = std::max(out, shard->closed(node));
  return out;
}

NodeCounters Engine::counters_of(NodeId node) const {
  NodeCounters out = counters_before_[node.value];
  for (const auto& shard : shards_) out += shard->counters(node);
  return out;
}

/// Copies what the doors show; the tick loop's thread only.
void Engine::refresh_status() {
  last_status_ns_ = clock_.steady_ns();
  const std::vector<EventTime> marks = watermarks();
  std::vector<NodeStatus> nodes;
  for (const Node& node : graph_.plan.nodes) {
    const NodeBase& base = base_of(node);
    NodeStatus status;
    status.id = base.id;
    status.kind = kind_of(node);
    status.name = base.name;
    for (const Input& input : base.inputs) status.inputs.push_back(input.node);
    const NodeCounters counters = counters_of(base.id);
    status.rows_in = counters.rows_in;
    status.rows_passed = counters.passed;
    status.rows_filtered = counters.filtered;
    status.rows_late = counters.late;
    status.rows_quarantined = counters.quarantined;
    status.rows_held = counters.held;
    status.rows_out = counters.rows_out;
    for (const auto& shard : shards_) {
      status.busy_us += shard->busy_ns(base.id) / 1000;
      if (Operator* op = shard->op(base.id))
        for (const Table* table : op->tables()) {
          status.state_rows += table->rows();
          status.state_bytes += table->bytes();
        }
    }
    if (base.output.watermark) status.watermark = marks[base.id.value];
    nodes.push_back(std::move(status));
  }
  std::vector<SourceStatus> sources;
  for (const auto& input : inputs_) {
    if (input->node().name == one_row_name) continue;  // Nobody has declared it.
    sources.push_back(input->status());
    sources.back().paused_reason = alignment_.reason(*input);
  }
  std::vector<SinkStatus> sinks;
  for (size_t i = 0; i < sinks_.size(); ++i) {
    const SinkCommit commit = writer_->committed(i);
    sinks.push_back({sinks_[i].name, sinks_[i].connector, commit.rows, commit.epoch, commit.time_us});
  }
  std::lock_guard lock(mutex_);
  status_.nodes = std::move(nodes);
  status_.sources = std::move(sources);
  status_.sinks = std::move(sinks);
  status_.checkpoint_bytes = writer_->last_bytes();
  status_.checkpoint_us = writer_->last_us();
  status_.merged_bytes = writer_->merged_bytes();
  status_.state_memory_bytes = memory_->used_bytes();
  status_.state_spilled_bytes = memory_->spilled_bytes();
}

// ---- Checkpoints ----

int64_t Engine::waiting_rows() const {
  int64_t rows = 0;
  for (const SinkOutput& sink : sinks_) rows += static_cast<OutletOperator&>(*shards_[0]->op(sink.node)).rows();
  return rows;
}

bool Engine::checkpoint_due() const {
  if (!changed_) return false;
  return clock_.steady_ns() - last_checkpoint_ns_ >= options_.checkpoint_interval_ms * 1'000'000 ||
         waiting_rows() >= checkpoint_rows;
}

Result<std::vector<StateBlock>> Engine::save_blocks(bool whole) {
  std::vector<std::vector<StateBlock>> parts(shards_count_);
  HEADRACE_TRY(team_->run([&](uint32_t shard) -> Result<> {
    for (uint32_t node = 0; node < graph_.plan.nodes.size(); ++node) {
      Operator* op = shards_[shard]->op(NodeId{node});
      std::vector<Table*> tables = op ? op->tables() : std::vector<Table*>{};
      for (uint32_t table = 0; table < tables.size(); ++table)
        for (Table::SavedBlock& block : tables[table]->save(whole))
          parts[shard].push_back({{node, table, shard, block.block}, std::move(block.bytes)});
    }
    return {};
  }));
  std::vector<StateBlock> out;
  for (std::vector<StateBlock>& part : parts) std::move(part.begin(), part.end(), std::back_inserter(out));
  return out;
}

/// Hands the changes since the last checkpoint to the writer; the tick loop goes on meanwhile.
Result<> Engine::checkpoint() {
  HEADRACE_TRY(writer_->wait_idle());
  CheckpointJob job;
  job.whole = std::exchange(whole_next_, false);
  manifest_.epoch = Epoch{manifest_.epoch.value + 1};
  manifest_.sources = source_checkpoints();
  manifest_.counters.clear();
  manifest_.closed.clear();
  for (const Node& node : graph_.plan.nodes) {
    manifest_.counters.push_back(counters_of(base_of(node).id));
    manifest_.closed.push_back(closed(base_of(node).id));
  }
  quarantine_.flush();
  manifest_.quarantine_next = quarantine_.next_id();
  {
    std::lock_guard lock(mutex_);
    manifest_.deliveries = deliveries_;
  }
  HEADRACE_ASSIGN(job.blocks, save_blocks(job.whole));
  for (Table::SavedBlock& block : quarantine_.table().save(job.whole))
    job.blocks.push_back({{quarantine_node, 0, 0, block.block}, std::move(block.bytes)});
  for (const SinkOutput& sink : sinks_)
    job.output.push_back(static_cast<OutletOperator&>(*shards_[0]->op(sink.node)).take());
  job.manifest = manifest_;
  changed_ = false;
  last_checkpoint_ns_ = clock_.steady_ns();
  return writer_->submit(std::move(job));
}

void Engine::tell_committed() {
  std::map<std::string, std::string> positions;
  {
    std::lock_guard lock(mutex_);
    positions = std::exchange(committed_, {});
  }
  for (auto& input : inputs_) {
    auto known = positions.find(input->node().name);
    if (known == positions.end()) continue;
    if (Result<> told = input->source().committed(Position{known->second}); !told)
      log_error("source_committed_failed", told.error());
  }
}

// ---- Waiting and ending ----

bool Engine::all_ended() const {
  return std::all_of(inputs_.begin(), inputs_.end(), [](const auto& input) { return input->ended(); });
}

void Engine::wake() {
  std::lock_guard lock(mutex_);
  woken_ = true;
  change_.notify_all();
}

/// Sleeps until a source has input, a checkpoint is due, or the pipeline is to stop.
void Engine::wait_for_input() {
  int64_t wait_us = 1'000'000;
  for (const auto& input : inputs_)
    if (input->wait_us() > 0 && !input->ended()) wait_us = std::min(wait_us, input->wait_us());
  if (changed_) {
    const int64_t due_us = options_.checkpoint_interval_ms * 1000 - (clock_.steady_ns() - last_checkpoint_ns_) / 1000;
    wait_us = std::min(wait_us, std::max<int64_t>(due_us, 100));
  }
  if (due_us_ != never_due) wait_us = std::min(wait_us, std::max<int64_t>(due_us_ - clock_.now_us(), 0));
  refresh_status();
  std::unique_lock lock(mutex_);
  change_.wait_for(lock, std::chrono::microseconds(wait_us), [&] { return woken_ || stopping_; });
}

Result<> Engine::wait() {
  std::unique_lock lock(mutex_);
  change_.wait(lock, [&] { return finished_; });
  if (failure_) return *failure_;
  return {};
}

Result<> Engine::stop() {
  {
    std::lock_guard lock(mutex_);
    if (!started_) return {};
    stopping_ = true;
    change_.notify_all();
  }
  for (auto& [name, door] : doors_) door->close();
  if (thread_.joinable()) thread_.join();
  return wait();
}

// ---- What the doors ask ----

PipelineStatus Engine::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

std::string Engine::plan_json() const {
  return headrace::plan_json(graph_.plan);
}

std::string Engine::functions_json() const {
  return project_.functions ? project_.functions->status_json() : "{\"functions\":[]}";
}

Result<Replayed> Engine::replay(const ReplayRequest& request) {
  std::future<Result<Replayed>> answer = replays_.ask(request);
  wake();
  return answer.get();
}

Result<std::vector<std::string>> Engine::reload_functions() {
  if (!project_.functions) return std::vector<std::string>();
  HEADRACE_ASSIGN(std::vector<FunctionDescription> described, project_.functions->describe_again());
  Result<std::vector<std::string>> changed = std::vector<std::string>();
  errands_.run([&] { changed = project_.functions->take_up(described); });
  return changed;
}

Result<WhyOpen> Engine::why_open(const std::string& view, const std::string& window) {
  std::optional<EventTime> start;
  if (int64_t us = 0; !window.empty()) {
    if (parse_timestamp_us(window, us) != Parse::ok)
      return user_error(Code::bad_request, "'" + window + "' is not a timestamp: a window is named by its start")
          .with_remedy("write it as the view shows it, such as 2026-01-31 12:00:00");
    start = EventTime::from_us(us);
  }
  std::vector<std::string> names;
  for (const Node& node : graph_.plan.nodes) {
    auto* found = std::get_if<ViewNode>(&node);
    if (found == nullptr) continue;
    names.push_back(found->name);
    if (!same_name(found->name, view)) continue;
    Result<WhyOpen> out = WhyOpen();
    errands_.run([&] {
      std::vector<NodeCounters> counters;
      for (const Node& any : graph_.plan.nodes) counters.push_back(counters_of(base_of(any).id));
      out = explain_open({graph_, inputs_, alignment_, shards_, quarantine_, marks_below(graph_.plan, source_marks()),
                          std::move(counters), clock_.now_us()},
                         *found, start);
      if (out) out->tick = manifest_.tick;
    });
    return out;
  }
  const std::string nearest = nearest_name(view, names);
  return user_error(Code::not_found, "there is no view '" + view + "'")
      .with_remedy(nearest.empty() ? "" : "did you mean '" + nearest + "'?");
}

std::vector<AlertRow> Engine::alerts() const {
  std::lock_guard lock(mutex_);
  std::vector<AlertRow> out;
  for (const auto& [place, alert] : alerts_) {
    out.push_back(alert);
    for (const PendingDelivery& delivery : deliveries_)
      if (delivery.alert == alert.alert && delivery.instance == alert.id)
        out.back().deliveries_failed += delivery.failed;
  }
  return out;
}

std::string Engine::webhook_of(const std::string& alert) const {
  for (const Node& node : graph_.plan.nodes)
    if (auto* found = std::get_if<AlertNode>(&node); found && found->name == alert) return found->webhook;
  return "";
}

std::vector<AlertDelivery> Engine::undelivered() const {
  std::lock_guard lock(mutex_);
  std::vector<AlertDelivery> out;
  for (const PendingDelivery& delivery : deliveries_)
    if (delivery.id <= durable_delivery_)
      out.push_back({delivery.id, delivery.alert, webhook_of(delivery.alert),
                     status_.lineage + "-" + std::to_string(delivery.id), delivery.body});
  return out;
}

void Engine::on_deliverable(std::function<void()> tell) {
  std::lock_guard lock(mutex_);
  on_deliverable_ = std::move(tell);
  if (on_deliverable_) on_deliverable_();
}

void Engine::delivery_failed(uint64_t id) {
  std::lock_guard lock(mutex_);
  for (PendingDelivery& delivery : deliveries_) delivery.failed += delivery.id == id;
}

void Engine::delivered(uint64_t id) {
  std::lock_guard lock(mutex_);
  std::erase_if(deliveries_, [&](const PendingDelivery& delivery) { return delivery.id == id; });
  delivered_ = true;
  woken_ = true;
  change_.notify_all();
}

Result<Admitted> Engine::admit(const std::string& source, std::string_view body, const std::string& format,
                               const std::string& idempotency_key) {
  auto door = doors_.find(lower_case(source));
  if (door == doors_.end()) {
    std::vector<std::string> known;
    for (const auto& [name, other] : doors_) known.push_back(name);
    std::string nearest = nearest_name(source, known);
    return user_error(Code::not_found, "there is no source '" + source + "' that takes rows over HTTP")
        .with_remedy(nearest.empty() ? "declare one with connector = 'http'" : "did you mean '" + nearest + "'?");
  }
  HEADRACE_ASSIGN(DoorAnswer answer, door->second->admit(body, format, idempotency_key));
  return Admitted{answer.accepted, std::move(answer.rejected), answer.position, answer.repeated};
}

/// What was refused, by reason, and how to see it; "" = nothing was.
std::string Engine::quarantine_summary() const {
  struct Kind {
    int64_t records = 0;
    std::string first;
  };
  std::map<std::pair<std::string, Code>, Kind> kinds;
  for (const QuarantineRow& row : quarantine_.rows(0, std::numeric_limits<int64_t>::max())) {
    if (row.late) continue;
    Kind& kind = kinds[{row.source, row.code}];
    if (kind.records++ == 0) kind.first = row.origin + ": " + row.reason;
  }
  std::string out;
  for (const auto& [what, kind] : kinds)
    out += fmt::format("quarantine of {}: {} with {} ({}), the first at {}\n", what.first, kind.records,
                       static_cast<int>(what.second), name_of(what.second), kind.first);
  if (!out.empty())
    out += fmt::format("  see them: headrace query {} \"SELECT * FROM quarantine\"\n", options_.project_directory);
  return out;
}

std::string Engine::summary() const {
  const PipelineStatus now = status();
  std::string out;
  bool balanced = true;
  for (const SourceStatus& source : now.sources) {
    balanced = balanced && source.records_read == source.records_accepted + source.records_quarantined;
    out += fmt::format("source {}: read {} = accepted {} + quarantined {}\n", source.name, source.records_read,
                       source.records_accepted, source.records_quarantined);
  }
  for (const NodeStatus& node : now.nodes) {
    if (node.inputs.empty()) continue;
    balanced = balanced && node.rows_in == node.rows_passed + node.rows_filtered + node.rows_late +
                                               node.rows_quarantined + node.rows_held;
    out += fmt::format("edge into {} {} #{}: in {} = out {} + filtered {} + late {} + quarantined {}", node.kind,
                       node.name, node.id.value, node.rows_in, node.rows_passed, node.rows_filtered, node.rows_late,
                       node.rows_quarantined);
    if (node.rows_held > 0) out += fmt::format(" + held {}", node.rows_held);
    out += "\n";
  }
  for (const SinkStatus& sink : now.sinks)
    out +=
        fmt::format("sink {}: {} rows written, epoch {}\n", sink.name, sink.rows_written, sink.committed_epoch.value);
  out += quarantine_summary();
  if (const size_t waiting = undelivered().size(); waiting > 0)
    out += fmt::format("alerts: {} not delivered; {} for the next run\n",
                       waiting == 1 ? "1 message was" : fmt::format("{} messages were", waiting),
                       waiting == 1 ? "it waits" : "they wait");
  out += balanced ? "books: balanced\n" : "books: NOT balanced; this is a bug in Headrace\n";
  return out;
}

}  // namespace headrace
