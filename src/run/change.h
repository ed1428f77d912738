// From one version of a pipeline to another: which nodes keep their state, which start anew, and from where. Compares
// the plan with what the last checkpoint of the state directory remembers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "run/engine.h"

namespace headrace {

enum class Fate : uint8_t { kept, rebuilt, added, dropped };
/// "kept", "rebuilt", "new" or "dropped".
std::string_view word_of(Fate fate);

struct NodeChange {
  Fate fate = Fate::kept;
  NodeRecord record;                 ///< As it is in the new plan; a dropped one as it was.
  std::optional<NodeId> before;      ///< In the old plan: whose state it takes over, or whose place it takes.
  std::optional<NodeId> after;       ///< In the new plan; none = dropped.
  std::string reason;                ///< Of a rebuilt one: what differs.
  std::vector<std::string> sources;  ///< Of a rebuilt or new one with state: what it is built from, a line per source.
  bool loses = false;                ///< It had state that cannot be built again.

  /// It is built by reading sources again: state, or the output of a new sink.
  bool builds() const;
};

struct SourceChange {
  std::string name;
  Fate fate = Fate::kept;
  std::string text;  ///< Where it goes on.
  Past past;         ///< What can be read again, if it goes on from a position.
};

struct SinkChange {
  std::string name;
  Fate fate = Fate::kept;
  std::string text;
};

struct Change {
  std::vector<NodeChange> nodes;  ///< By node of the new plan, then the dropped ones.
  std::vector<SourceChange> sources;
  std::vector<SinkChange> sinks;
  bool other_plan = false;  ///< The engine would refuse to run the new version over the state directory.

  bool any() const;
  std::string text() const;
  std::string json() const;
};

/// Compares a project with the last checkpoint; opens nothing. Errors: bad_config.
Result<Change> compare(const Manifest& last, const PipelineOptions& options, const CheckedProject& project);

}  // namespace headrace
