#include "run/table_loader.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>
#include <tuple>

#include "run/checkpoint.h"
#include "run/team.h"

namespace headrace {
namespace {

/// What one table on one shard has to take.
struct TableLoad {
  Table* table = nullptr;
  bool in_place = true;
  uint32_t shard = 0, shards = 1;  ///< The share, when it is not in place.
  std::vector<const SavedImages*> blocks;

  Result<> run(StateMemory& memory) const {
    size_t rows = 0;
    for (const SavedImages* block : blocks) rows += used_rows(block->images.back().bytes);
    table->expect(rows / (in_place ? 1 : shards));
    for (const SavedImages* block : blocks) {
      HEADRACE_ASSIGN(const std::vector<std::string_view> images, block->checked());
      if (in_place)
        HEADRACE_TRY(table->load(block->place.block, images));
      else
        HEADRACE_TRY(table->load_share(images, shard, shards));
      if (const int64_t excess = memory.excess(); excess > 0) table->spill(excess);
    }
    return {};
  }
};

Result<Table*> table_at(const BlockPlace& place, const Plan& plan, Shard& shard) {
  Operator* op = place.node < plan.nodes.size() ? shard.op(NodeId{place.node}) : nullptr;
  const std::vector<Table*> tables = op ? op->tables() : std::vector<Table*>{};
  if (place.table < tables.size()) return tables[place.table];
  return Error{Code::corrupt_state, Blame::environment, Retry::never,
               "the checkpoint has state of a node that the plan does not have"};
}

/// All that there is to do, the longest first.
Result<std::vector<TableLoad>> loads_of(const Segments& segments, uint32_t shards_then, const Plan& plan,
                                        const std::vector<std::unique_ptr<Shard>>& shards) {
  const auto shards_now = static_cast<uint32_t>(shards.size());
  const bool same = shards_then == shards_now;
  std::map<std::tuple<uint32_t, uint32_t, uint32_t>, TableLoad> found;
  for (const SavedImages& block : segments.blocks()) {
    const BlockPlace& place = block.place;
    if (place.node == quarantine_node) continue;
    HEADRACE_TRY(table_at(place, plan, *shards[0]));
    // What one shard holds for all lives on shard 0, whatever its hash.
    const bool on_one = std::holds_alternative<AlertNode>(plan.nodes[place.node]);
    for (uint32_t shard = 0; shard < shards_now; ++shard) {
      if (same ? place.shard != shard : on_one && shard > 0) continue;
      TableLoad& load = found[{place.node, place.table, shard}];
      load.blocks.push_back(&block);
      if (load.table != nullptr) continue;
      HEADRACE_ASSIGN(load.table, table_at(place, plan, *shards[shard]));
      load.in_place = same;
      if (!on_one) std::tie(load.shard, load.shards) = std::tie(shard, shards_now);
    }
  }
  std::vector<TableLoad> out;
  for (auto& [place, load] : found) out.push_back(std::move(load));
  std::stable_sort(out.begin(), out.end(),
                   [](const TableLoad& a, const TableLoad& b) { return a.blocks.size() > b.blocks.size(); });
  return out;
}

}  // namespace

Result<> load_tables(const Segments& segments, uint32_t shards_then, const Plan& plan,
                     const std::vector<std::unique_ptr<Shard>>& shards, StateMemory& memory) {
  HEADRACE_ASSIGN(const std::vector<TableLoad> loads, loads_of(segments, shards_then, plan, shards));
  const size_t threads = std::min<size_t>(loads.size(), std::thread::hardware_concurrency());
  std::atomic<size_t> next = 0;
  return Team(static_cast<uint32_t>(std::max<size_t>(threads, 1))).run([&](uint32_t) -> Result<> {
    for (size_t i = next++; i < loads.size(); i = next++) HEADRACE_TRY(loads[i].run(memory));
    return {};
  });
}

}  // namespace headrace
