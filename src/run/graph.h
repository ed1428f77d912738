// The running form of a plan: one operator per node and shard, edges that stay on a shard or move rows between shards,
// stages between the moves.
#pragma once

#include <memory>
#include <vector>

#include "ops/operator.h"
#include "plan/nodes.h"

namespace headrace {

/// How rows come to an input.
enum class Exchange : uint8_t {
  local,      ///< From the same shard, at once.
  hash,       ///< To the shard that owns the hash of `columns`.
  single,     ///< To shard 0.
  broadcast,  ///< To every shard.
};

struct Edge {
  Input from;
  NodeId to;
  uint32_t input = 0;
  Exchange exchange = Exchange::local;
  std::vector<size_t> columns;  ///< hash: empty = the group of all rows.
};

/// The same for every shard.
struct Graph {
  Plan plan;
  std::vector<Edge> edges;
  std::vector<std::vector<uint32_t>> outgoing;  ///< By node: edges that leave it.
  std::vector<std::vector<uint32_t>> incoming;  ///< By node: edges that reach it, in order of input.
  std::vector<uint32_t> stage;                  ///< By node.
  uint32_t stages = 1;
  std::vector<bool> static_only;  ///< By node: fed by nothing but static sources.
};

Graph make_graph(Plan plan, uint32_t shards);

/// Makes a node's operator for one shard; nullptr for sources, which the shard reads itself.
std::unique_ptr<Operator> make_operator(const Node& node, const OperatorContext& context);

}  // namespace headrace
