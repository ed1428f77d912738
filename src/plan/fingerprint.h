// What the state of a node follows from, as one word: its own work, its functions' code, and the same of all it reads.
// Two nodes of two plans with the same fingerprint have the same state over the same input.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "plan/nodes.h"

namespace headrace {

/// A node as a checkpoint remembers it, so that a later version of the pipeline can be compared with it.
struct NodeRecord {
  std::string kind, name;
  std::string fingerprint;             ///< Of the node and of all it reads.
  std::string own;                     ///< Of the node alone.
  std::string identity;                ///< Of a source or sink: what it reads or writes; else "".
  std::string text;                    ///< One line for people: what it does.
  std::vector<std::string> functions;  ///< Each "name hash": the code it calls.
  bool has_state = false;              ///< It keeps something from tick to tick.

  /// "window_aggregate of per_minute".
  std::string title() const { return kind + " of " + name; }
};

/// True when an option of a connector says which data it is about; false for pace and limits.
using NamesData = std::function<bool(const std::string& connector, const std::string& option)>;

/// What a source reads or a sink writes, whatever its query and its pace; "" for other nodes.
std::string identity_of(const Node& node, const NamesData& names_data);

/// By node. `functions` are the project's; nullptr = none.
std::vector<NodeRecord> records_of(const Plan& plan, const FunctionHost* functions, const NamesData& names_data);

/// True when a node keeps something from tick to tick that a checkpoint saves.
bool keeps_state(const Node& node);
/// True when a node tells its changes at a pace of its own (EMIT EVERY).
bool is_paced(const Node& node);

/// Some nodes of a plan and all that they read, numbered anew.
struct PlanPart {
  Plan plan;
  std::vector<NodeId> whole;  ///< By node of the part: its number in the whole plan.
};
PlanPart part_of(const Plan& plan, const std::vector<NodeId>& ends);

}  // namespace headrace
