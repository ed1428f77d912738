// A shard: one thread's share of the pipeline. It owns its operators and their state, takes in its morsels, and runs
// the graph stage by stage; between two stages all shards meet (run/engine.cc), and what crosses from shard to shard
// lies in mailboxes.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "run/graph.h"
#include "run/intake.h"
#include "run/pipeline.h"
#include "run/watermarks.h"

namespace headrace {

/// One morsel on its way through a tick.
struct MorselJob {
  NodeId source;
  Morsel morsel;
  Ordinal ordinal;
  TakenIn taken;
  EventTime own_before = EventTime::min();  ///< The watermark of its split before its first row.
  EventTime others = EventTime::max();      ///< The low point of the source's other splits.
  bool is_taken = false;                    ///< A replayed record: `taken` is there already.
};

/// A row of the quarantine on its way back into a node.
struct ReenteringRow {
  uint32_t edge = 0;
  uint32_t shard = 0;
  Batch batch;
};

/// What all shards know of a tick.
struct TickWork {
  TickInfo info;
  std::vector<ReenteringRow> reentering;  ///< Before anything new.
  std::vector<MorselJob> jobs;            ///< In order of source, then of arrival.
  NodeMarks marks{0};                     ///< After this tick's rows.
  std::vector<EventTime> closing;         ///< By node, when sources are read again: see Engine::read_again. Or empty.
  std::vector<NodeId> tables_complete;    ///< Joins whose table side has come to its end.
  bool loading_tables = false;            ///< Only static sources are read: nothing else happens.
};

/// A row that an operator refused, for the quarantine.
struct RefusedRow {
  NodeId node;
  bool late = false;
  Rejected record;
  std::string detail;
  Reentry reentry;
  Ordinal ordinal;
};

class Shard {
 public:
  /// Batches on their way to another shard: by edge and receiving shard. Written by the sender in one stage, read by
  /// the receiver in a later one.
  struct Mailboxes {
    std::vector<std::vector<std::vector<Batch>>> boxes;
  };

  Shard(const Graph& graph, const LowPoints& low_points, uint32_t number, uint32_t shards,
        std::shared_ptr<StateMemory> memory, std::unique_ptr<EvaluationContext> evaluation);
  ~Shard();
  /// Makes operators and intakes. Errors: bad_config.
  Result<> prepare();
  void connect(std::vector<Shard*> all) { shards_ = std::move(all); }

  /// Takes in its share of the tick's morsels.
  Result<> take_in(TickWork& work);
  /// Runs one stage of the tick.
  Result<> run_stage(TickWork& work, uint32_t stage);

  /// Moves about `bytes` of its state to the disk, the largest tables first.
  void spill(int64_t bytes);

  /// When a tick tells something without input: Operator::due_us of all operators.
  int64_t due_us() const {
    int64_t out = never_due;
    for (const auto& op : operators_)
      if (op) out = std::min(out, op->due_us());
    return out;
  }

  Operator* op(NodeId node) { return operators_[node.value].get(); }
  const NodeCounters& counters(NodeId node) const;
  NodeCounters& counters(NodeId node);
  int64_t busy_ns(NodeId node) const;
  /// How far an end of the inputs has closed a node: rows that it would have closed out are late from then on.
  EventTime closed(NodeId node) const { return closed_[node.value]; }
  void set_closed(NodeId node, EventTime time) { closed_[node.value] = time; }
  std::vector<RefusedRow> take_refused() { return std::exchange(refused_, {}); }

 private:
  class NodeEmitter;

  Reentry reentry_of(NodeId node, uint32_t input, const Batch& batch, uint32_t row) const;
  bool is_mine(size_t job) const { return job % shards_count_ == number_; }
  Result<> feed(MorselJob& job);
  Result<> deliver(uint32_t edge, Batch& batch, bool last);
  void refuse_closed(NodeId node, Batch& batch) const;
  Result<> pass_time(uint32_t node, const TickWork& work);
  Result<> post(uint32_t edge, Batch& batch);
  Result<> receive(uint32_t node, uint32_t edge);
  Result<> emit_from(NodeId node, Batch batch, uint32_t output);

  const Graph& graph_;
  const LowPoints& low_points_;
  const uint32_t number_, shards_count_;
  std::shared_ptr<StateMemory> memory_;
  std::unique_ptr<EvaluationContext> evaluation_;
  std::vector<std::unique_ptr<Operator>> operators_;
  std::vector<std::unique_ptr<Intake>> intakes_;
  std::vector<std::unique_ptr<NodeEmitter>> emitters_;
  std::vector<EventTime> closed_;  ///< By node.
  std::vector<Shard*> shards_;
  Mailboxes outgoing_;
  std::vector<RefusedRow> refused_;
};

}  // namespace headrace
