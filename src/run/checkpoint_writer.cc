#include "run/checkpoint_writer.h"

#include "base/log_line.h"
#include "connect/spec.h"
#include "run/input.h"

namespace headrace {
namespace {

/// How often an unknown outcome is asked for again, and how long the waits are.
constexpr int commit_tries_max = 8;
constexpr int64_t first_wait_ms = 50;

/// The error with the place of the sink's statement, where it names none itself.
Error of_sink(const SinkOutput& sink, Error error) {
  if (error.at.file.empty()) error.at = sink.at;
  return error;
}

}  // namespace

Result<std::vector<SinkOutput>> make_sinks(const Plan& plan, const PipelineOptions& options, const Clock& clock,
                                           FunctionHost* functions) {
  std::vector<SinkOutput> out;
  for (const Node& node : plan.nodes) {
    auto* sink = std::get_if<SinkNode>(&node);
    if (sink == nullptr) continue;
    HEADRACE_ASSIGN(const ConnectorSpec* spec, find_connector(sink->connector));
    HEADRACE_ASSIGN(Options given, check_options("sink '" + sink->name + "'", spec->sink_fields, sink->options));
    SinkContext context;
    context.project_directory = options.project_directory;
    context.state_directory = options.state_directory;
    context.clock = &clock;
    context.functions = functions;
    context.name = sink->name;
    context.identity = identity_of(node, &names_data);
    context.options = &given;
    context.schema = sink->output.schema();
    context.key = sink->output.key;
    context.append_only = sink->output.changelog == Changelog::append;
    Result<std::unique_ptr<Sink>> made = spec->make_sink(context);
    if (!made) return Error(std::move(made).error()).with_location(sink->at);
    SinkOutput output;
    output.name = sink->name;
    output.connector = sink->connector;
    output.node = sink->id;
    output.at = sink->at;
    output.sink = *std::move(made);
    out.push_back(std::move(output));
  }
  return out;
}

CheckpointWriter::CheckpointWriter(StateDirectory& directory, std::vector<SinkOutput>& sinks, const Clock& clock,
                                   Events events)
    : directory_(directory),
      sinks_(sinks),
      clock_(clock),
      events_(std::move(events)),
      merger_(directory.path()),
      committed_(sinks.size()),
      thread_([this] { serve(); }) {}

CheckpointWriter::~CheckpointWriter() {
  {
    std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  change_.notify_all();
  thread_.join();
}

Result<> CheckpointWriter::open_sinks(const Manifest& last) {
  HEADRACE_ASSIGN(segments_, directory_.sizes(last));
  for (size_t i = 0; i < sinks_.size(); ++i) {
    SinkOutput& sink = sinks_[i];
    SinkRestore restore;
    restore.last = {last.lineage, sink.name, last.generation, last.epoch};
    auto known = last.sinks.find(sink.name);
    if (known != last.sinks.end()) {
      restore.prepared = known->second.prepared;
      sink.rows = known->second.rows;
    } else {
      restore.last.epoch = Epoch{0};
    }
    if (Result<> opened = sink.sink->open(restore); !opened) return of_sink(sink, std::move(opened).error());
    std::lock_guard lock(mutex_);
    committed_[i] = {sink.rows, restore.last.epoch, 0};
  }
  return directory_.note_commits(last.epoch);
}

SinkCommit CheckpointWriter::committed(size_t sink) const {
  std::lock_guard lock(mutex_);
  return committed_[sink];
}

bool CheckpointWriter::idle() const {
  std::lock_guard lock(mutex_);
  return !busy_;
}

Result<> CheckpointWriter::wait_idle() {
  std::unique_lock lock(mutex_);
  change_.wait(lock, [&] { return !busy_; });
  if (failure_) return *failure_;
  return {};
}

Result<> CheckpointWriter::finish() {
  HEADRACE_TRY(wait_idle());
  for (SinkOutput& sink : sinks_)
    if (Result<> done = sink.sink->finish(); !done) return of_sink(sink, std::move(done).error());
  return {};
}

Result<> CheckpointWriter::submit(CheckpointJob job) {
  HEADRACE_TRY(wait_idle());
  std::lock_guard lock(mutex_);
  job_ = std::move(job);
  busy_ = true;
  change_.notify_all();
  return {};
}

void CheckpointWriter::serve() {
  for (;;) {
    std::optional<CheckpointJob> job;
    {
      std::unique_lock lock(mutex_);
      change_.wait(lock, [&] { return leaving_ || job_.has_value(); });
      if (!job_) return;
      job = std::exchange(job_, std::nullopt);
    }
    Result<> done = write(*job);
    std::lock_guard lock(mutex_);
    busy_ = false;
    if (!done) failure_ = std::move(done).error();
    change_.notify_all();
  }
}

Result<> CheckpointWriter::write(CheckpointJob& job) {
  const int64_t started = clock_.steady_ns();
  Manifest& manifest = job.manifest;
  crash_point("checkpoint_begin");
  for (size_t i = 0; i < sinks_.size(); ++i) {
    SinkOutput& sink = sinks_[i];
    Result<std::string> prepared =
        prepare(sink, job.output[i], {manifest.lineage, sink.name, manifest.generation, manifest.epoch});
    if (!prepared) return of_sink(sink, std::move(prepared).error());
    manifest.sinks[sink.name] = {*std::move(prepared), sink.rows};
    crash_point("checkpoint_sink_prepared");
  }
  HEADRACE_ASSIGN(const SegmentName segment, directory_.write(manifest.epoch, job.blocks));
  if (job.whole) segments_.clear();
  if (!segment.name.empty()) segments_.push_back(segment);
  HEADRACE_TRY(merger_.take_turn(segments_));
  manifest.segments.clear();
  for (const SegmentName& named : segments_) manifest.segments.push_back(named.name);
  HEADRACE_TRY(directory_.write_manifest(manifest));
  for (size_t i = 0; i < sinks_.size(); ++i) {
    SinkOutput& sink = sinks_[i];
    crash_point("checkpoint_sink_commit");
    Result<> done = commit(sink, {manifest.lineage, sink.name, manifest.generation, manifest.epoch},
                           manifest.sinks[sink.name].prepared);
    if (!done) return of_sink(sink, std::move(done).error());
    {
      std::lock_guard lock(mutex_);
      committed_[i] = {sink.rows, manifest.epoch, clock_.now_us()};
    }
    crash_point("checkpoint_sink_committed");
  }
  HEADRACE_TRY(directory_.note_commits(manifest.epoch));
  last_bytes_ = segment.bytes;
  last_us_ = (clock_.steady_ns() - started) / 1000;
  events_.durable(manifest);
  return {};
}

Result<std::string> CheckpointWriter::prepare(SinkOutput& sink, std::vector<Batch>& output,
                                              const CommitIdentity& identity) {
  for (Batch& batch : output) {
    HEADRACE_TRY(sink.sink->write(batch));
    sink.rows += batch.rows();
  }
  output.clear();
  return sink.sink->prepare(identity);
}

/// Commits are idempotent: one whose outcome is not known is asked for again, with growing waits.
Result<> CheckpointWriter::commit(SinkOutput& sink, const CommitIdentity& identity, const std::string& prepared) {
  int64_t wait_ms = first_wait_ms;
  for (int tries = 1;; ++tries) {
    Result<> done = sink.sink->commit(identity, prepared);
    if (done || done.error().retry == Retry::never || tries == commit_tries_max) return done;
    log_error("sink_commit_repeated", done.error());
    std::unique_lock lock(mutex_);
    change_.wait_for(lock, std::chrono::milliseconds(wait_ms), [&] { return leaving_; });
    wait_ms *= 2;
  }
}

}  // namespace headrace
