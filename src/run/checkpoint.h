// Checkpoints: what makes a tick durable. A checkpoint is one manifest (JSON) that names positions, prepared sink
// output and counters, and the segments that hold the state's blocks (segment.h). A segment holds what changed in one
// epoch, or in several once they were merged. The manifest is replaced atomically: whatever the crash, the state
// directory holds exactly one checkpoint.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/named.h"
#include "base/result.h"
#include "data/event_time.h"
#include "ops/operator.h"
#include "plan/fingerprint.h"
#include "run/segment.h"
#include "run/segment_merger.h"

namespace headrace {

struct SplitCheckpoint {
  std::string name;  ///< By which it is found again; "" = the source has but one.
  EventTime watermark = EventTime::min();
  bool ended = false;
};

struct SourceCheckpoint {
  std::string position;
  std::vector<SplitCheckpoint> splits;
  int64_t records_read = 0, records_accepted = 0, records_quarantined = 0;
  bool ended = false;  ///< It had come to its end, and time with it.
};

struct SinkCheckpoint {
  std::string prepared;
  int64_t rows = 0;
};

/// A message of an alert that waits to be delivered. Where to is the plan's to say: an address may hold a secret.
struct PendingDelivery {
  uint64_t id = 0;
  std::string alert;
  uint64_t instance = 0;  ///< AlertRow::id
  std::string body;
  int32_t failed = 0;  ///< Tries since the engine started; not kept.
};

/// A table of a node's operator, so that its rows can be read without the pipeline (run/state_files.h).
struct TableRecord {
  uint32_t node = 0, table = 0;
  std::string name;
  std::vector<std::string> names;        ///< Of the first columns.
  std::vector<std::string> key, values;  ///< Types.
  uint64_t plain_bytes = 0;
};

struct Manifest {
  std::string lineage, plan;  ///< plan: fingerprint of the plan the state belongs to.
  uint64_t generation = 1;
  Epoch epoch;
  Tick tick;
  int64_t now_us = 0;  ///< Of the tick.
  std::map<std::string, SourceCheckpoint> sources;
  std::map<std::string, SinkCheckpoint> sinks;
  std::vector<NodeRecord> nodes;  ///< By node: with which work and code its state began.
  std::vector<TableRecord> tables;
  std::vector<NodeCounters> counters;  ///< By node.
  std::vector<EventTime> closed;       ///< By node: how far the ends of earlier runs have closed it (Shard::closed).
  uint32_t shards = 1;                 ///< That the blocks belong to.
  std::vector<std::string> segments;   ///< Oldest first.
  int64_t quarantine_next = 1;
  std::vector<PendingDelivery> deliveries;

  std::string json() const;
  /// Errors: corrupt_state.
  static Result<Manifest> parse(std::string_view text);
  /// Of the last checkpoint in a state directory, which another process may use; nothing when it is new. Errors:
  /// corrupt_state.
  static Result<std::optional<Manifest>> read(const std::string& state_directory);
};

/// Says that a state directory holds no checkpoint yet.
Error no_durable_state(const std::string& state_directory);

/// Stands for the quarantine among the nodes of a checkpoint.
inline constexpr uint32_t quarantine_node = UINT32_MAX;

/// Segments with their sizes. Errors: io_error.
Result<std::vector<SegmentName>> segment_sizes(const std::string& folder, const std::vector<std::string>& names);

/// A pipeline's state directory. One process at a time; one thread at a time.
class StateDirectory {
 public:
  /// Creates or opens it, and locks it. Errors: state_locked, io_error, disk_full.
  static Result<std::unique_ptr<StateDirectory>> open(const std::string& path);
  ~StateDirectory();

  /// How often a pipeline was started over it before; counts this time, durably.
  Result<uint64_t> count_start();
  /// The last checkpoint, or nothing when the directory is new. Errors: corrupt_state.
  Result<std::optional<Manifest>> last() const;
  /// The state of a checkpoint. Errors: corrupt_state.
  Result<Segments> load(const Manifest& manifest) const { return Segments::open(segments(), manifest.segments); }
  /// Writes a segment with the blocks and makes it durable; without a name where there are none.
  Result<SegmentName> write(Epoch epoch, const std::vector<StateBlock>& blocks);
  /// The segments of a manifest with their sizes.
  Result<std::vector<SegmentName>> sizes(const Manifest& manifest) const {
    return segment_sizes(segments(), manifest.segments);
  }
  /// Replaces the manifest, then removes the segments it does not name.
  Result<> write_manifest(const Manifest& manifest);
  /// Notes that every sink has committed what the checkpoint of this epoch prepared. Not synced: a note that is lost
  /// with the machine's power says too little, never too much.
  Result<> note_commits(Epoch epoch);
  /// The last epoch that was noted.
  Epoch last_commits() const;
  const std::string& path() const { return path_; }

 private:
  explicit StateDirectory(std::string path) : path_(std::move(path)) {}
  std::string segments() const { return path_ + "/segments"; }

  std::string path_;
  int lock_ = -1;
};

}  // namespace headrace
