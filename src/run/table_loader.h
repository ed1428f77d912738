// Brings the operators' tables to what the segments of a checkpoint hold.
#pragma once

#include <memory>
#include <vector>

#include "run/segment.h"
#include "run/shard.h"

namespace headrace {

/// Fills the tables of all shards, which are empty, from the blocks that `shards_then` shards have saved: each takes
/// its own as they were, or its share of all when there are others than then. Tables are filled side by side, on as
/// many threads as the machine has, since nothing else runs yet. Beyond the memory's cap blocks are spilled on the way.
/// Errors: corrupt_state.
Result<> load_tables(const Segments& segments, uint32_t shards_then, const Plan& plan,
                     const std::vector<std::unique_ptr<Shard>>& shards, StateMemory& memory);

}  // namespace headrace
