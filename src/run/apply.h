// Going over to another version of a pipeline: what keeps its state takes it along, the rest is built by reading the
// sources again up to the last checkpoint, and one new checkpoint holds it all. Whatever the crash, the state directory
// holds the old version or the new one.
#pragma once

#include "run/change.h"

namespace headrace {

struct ApplyOptions {
  PipelineOptions pipeline;
  bool allow_loss = false;                           ///< State that cannot be built again begins empty.
  std::function<void(const std::string&)> progress;  ///< Called now and then during long work; may be empty.
};

/// What would change. Errors: not_found (no checkpoint), corrupt_state, bad_config.
Result<Change> plan_change(const PipelineOptions& options, const CheckedProject& project);

/// Brings the state directory over to the project; gives what changed. No engine may run over it. Errors: as
/// plan_change, state_locked, state_mismatch (state would be lost), source_unavailable (a source gives other records
/// than before), whatever sources and sinks say.
Result<Change> apply_change(const ApplyOptions& options, const CheckedProject& project);
/// What apply_change would refuse. Errors: state_mismatch.
Result<> check_loss(const Change& change, const ApplyOptions& options);

}  // namespace headrace
