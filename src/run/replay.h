// Replay: which rows of the quarantine go back into the pipeline, and how. The tick loop takes the requests between two
// ticks; a request is answered once the checkpoint with its tick is durable.
#pragma once

#include <future>
#include <memory>
#include <mutex>
#include <vector>

#include "run/quarantine.h"

namespace headrace {

/// Requests on their way to the tick loop and back. Safe from any thread.
class ReplayQueue {
 public:
  struct Waiting {
    ReplayRequest request;
    Replayed outcome;
    std::promise<Result<Replayed>> answer;
  };

  std::future<Result<Replayed>> ask(ReplayRequest request);
  /// For the tick loop: what was asked since the last call.
  std::vector<std::unique_ptr<Waiting>> take();
  /// The tick loop has put the rows of `waiting` back in the tick `outcome.tick`.
  void done(std::unique_ptr<Waiting> waiting);
  /// Answers the requests whose tick is durable.
  void durable(Tick tick);
  /// Answers all that wait: the pipeline ends. Later requests are refused, too.
  void close(const Error& reason);

 private:
  std::mutex mutex_;
  std::optional<Error> closed_;
  std::vector<std::unique_ptr<Waiting>> asked_, done_;
};

/// The rows that `request` means, in the order of their refusal; those that cannot go back are told in `outcome`.
std::vector<QuarantineRow> select_rows(const Quarantine& quarantine, const ReplayRequest& request, const Graph& graph,
                                       int32_t shards, Replayed& outcome);

/// A record that a source refused, taken in again. Errors: as Intake::make and take.
Result<TakenIn> take_again(const SourceNode& source, const QuarantineRow& row, EvaluationContext& evaluation,
                           int64_t now_us);

/// A row that a node refused, as a batch for its input. `watermark` is that of the input now. Errors: corrupt_state.
Result<ReenteringRow> reenter(const QuarantineRow& row, const Graph& graph, EventTime watermark);

}  // namespace headrace
