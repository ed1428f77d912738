// Makes checkpoints durable beside the tick loop: sinks prepare, the segment and the manifest are written, sinks
// commit, sources hear of it. The only thread that calls sinks.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "connect/sink.h"
#include "connect/source.h"
#include "plan/nodes.h"
#include "run/checkpoint.h"
#include "run/pipeline.h"

namespace headrace {

/// A checkpoint as the tick loop hands it over.
struct CheckpointJob {
  Manifest manifest;   ///< Without segments and prepared output.
  bool whole = false;  ///< `blocks` are all of the state: older segments are not needed any more.
  std::vector<StateBlock> blocks;
  std::vector<std::vector<Batch>> output;  ///< By sink.
};

/// One sink as the engine keeps it.
struct SinkOutput {
  std::string name, connector;
  NodeId node;
  Location at;
  std::unique_ptr<Sink> sink;
  int64_t rows = 0;  ///< Given to it since the state directory was new.
};

/// Makes the sinks of a plan; opens nothing yet. Errors: bad_config ...
Result<std::vector<SinkOutput>> make_sinks(const Plan& plan, const PipelineOptions& options, const Clock& clock,
                                           FunctionHost* functions);

/// What a sink has committed since the state directory was new.
struct SinkCommit {
  int64_t rows = 0;
  Epoch epoch;
  int64_t time_us = 0;  ///< 0 = not in this life.
};

class CheckpointWriter {
 public:
  struct Events {
    std::function<void(const Manifest&)> durable;  ///< After the sinks have committed; called on the writer's thread.
  };

  CheckpointWriter(StateDirectory& directory, std::vector<SinkOutput>& sinks, const Clock& clock, Events events);
  ~CheckpointWriter();

  /// Brings the sinks to the last checkpoint's state. Before the first submit.
  Result<> open_sinks(const Manifest& last);
  /// True when the last one is done.
  bool idle() const;
  /// Waits until the last one is done, then starts this one. Gives the error that ended an earlier one.
  Result<> submit(CheckpointJob job);
  Result<> wait_idle();
  /// After the last checkpoint of a run that ends in order: sinks make visible what they held back.
  Result<> finish();
  /// Of sink number `sink`; safe from any thread.
  SinkCommit committed(size_t sink) const;
  int64_t last_bytes() const { return last_bytes_; }
  int64_t last_us() const { return last_us_; }
  /// Written by merging segments since the start; not part of last_bytes().
  int64_t merged_bytes() const { return merger_.merged_bytes(); }

 private:
  void serve();
  Result<> write(CheckpointJob& job);
  Result<std::string> prepare(SinkOutput& sink, std::vector<Batch>& output, const CommitIdentity& identity);
  Result<> commit(SinkOutput& sink, const CommitIdentity& identity, const std::string& prepared);

  StateDirectory& directory_;
  std::vector<SinkOutput>& sinks_;
  const Clock& clock_;
  Events events_;
  std::vector<SegmentName> segments_;
  SegmentMerger merger_;
  std::atomic<int64_t> last_bytes_{0}, last_us_{0};

  mutable std::mutex mutex_;
  std::condition_variable change_;
  std::optional<CheckpointJob> job_;
  std::vector<SinkCommit> committed_;
  bool busy_ = false, leaving_ = false;
  std::optional<Error> failure_;
  std::thread thread_;
};

}  // namespace headrace
