// The order in which a tick merges its sources: one source after the other, each with its rows in order of arrival.
// From it follows which watermark stands before a row where several sources meet, whatever the cut into ticks and
// shards.
#pragma once

#include <optional>
#include <vector>

#include "base/named.h"
#include "data/batch.h"

namespace headrace {

/// The place of a source's `number`th piece of input in its tick. Batches that are made of no piece have Ordinal{}.
inline Ordinal ordinal_of(NodeId source, uint64_t number) {
  return Ordinal{(uint64_t{source.value} + 1) << 32 | number};
}

/// How far the other sources of a node have come when rows of one source reach it. Written between two ticks' stages.
class LowPoints {
 public:
  void clear() { by_source_.clear(); }
  void set(NodeId source, std::vector<EventTime> of_nodes) {
    if (by_source_.size() <= source.value) by_source_.resize(source.value + 1);
    by_source_[source.value] = std::move(of_nodes);
  }
  /// nullopt: the rows are no source's own, but made of what came before them.
  std::optional<EventTime> others(NodeId node, Ordinal rows) const {
    const uint64_t source_plus_one = rows.value >> 32;
    if (source_plus_one == 0 || source_plus_one > by_source_.size()) return std::nullopt;
    const std::vector<EventTime>& of_nodes = by_source_[source_plus_one - 1];
    return of_nodes.empty() ? std::nullopt : std::optional(of_nodes[node.value]);
  }

 private:
  std::vector<std::vector<EventTime>> by_source_;  ///< Then by node; empty where the source has no rows.
};

}  // namespace headrace
