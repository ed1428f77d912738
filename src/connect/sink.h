// A Sink takes a result's changes out, exactly once: write, prepare (durable, invisible), commit (idempotent). All
// calls come from one thread, the checkpoint thread, in the order open, (write* prepare commit)*.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/named.h"
#include "base/result.h"
#include "data/batch.h"

namespace headrace {

class FunctionHost;
class Options;

/// Names one commit of one sink for ever: after a restart, a rescale or a rewind it is still known whether it landed.
struct CommitIdentity {
  std::string lineage;      ///< The pipeline's own id, made once when its state directory is new.
  std::string sink;         ///< The sink's name in SQL.
  uint64_t generation = 1;  ///< Grows with every rewind.
  Epoch epoch;
};

/// What the last durable checkpoint knows of a sink.
struct SinkRestore {
  CommitIdentity last;   ///< The identity of the last checkpointed epoch; epoch 0 = the state directory is new.
  std::string prepared;  ///< What prepare() gave then; its commit may or may not have happened.
};

struct SinkContext {
  std::string name;
  const Options* options = nullptr;  ///< Checked; valid while the sink is made only: copy what you need.
  SchemaRef schema;
  std::vector<size_t> key;  ///< Columns of an upsert key; empty without one.
  bool append_only = true;  ///< The query only adds rows.
  std::string project_directory;
  std::string state_directory;
  std::string
      identity;  ///< Tells it from a sink of the same name that writes elsewhere: the statement as it was before.
  const Clock* clock = nullptr;
  FunctionHost* functions = nullptr;  ///< The project's; nullptr = none.

  /// Where it may keep files of its own.
  std::string own_directory() const {
    return state_directory + "/sinks/" + name + (identity.empty() ? "" : "-") + identity;
  }
};

class Sink {
 public:
  virtual ~Sink() = default;

  /// Called once. With a `restore`, first brings the outside to exactly that state: commits `prepared` if it had not
  /// landed, and removes whatever came after. Errors: sink_unavailable (later), bad_config (never), io_error.
  virtual Result<> open(const SinkRestore& restore) = 0;
  /// Takes changes in order; a negative diff retracts the row.
  virtual Result<> write(const Batch& batch) = 0;
  /// Makes all that was written since the last prepare durable but not yet visible, under `identity`. The text goes
  /// into the checkpoint and comes back in commit() and open(). An epoch without rows prepares and commits, too.
  virtual Result<std::string> prepare(const CommitIdentity& identity) = 0;
  /// Makes the prepared output visible. Idempotent. Errors: commit_rejected (never), commit_unknown (later: called
  /// again).
  virtual Result<> commit(const CommitIdentity& identity, const std::string& prepared) = 0;
  /// Called once when a run ends in order, after the last commit: makes visible what a commit may have held back for a
  /// later one.
  virtual Result<> finish() { return {}; }
};

}  // namespace headrace
