// Named ids: numbers that cannot be mixed up.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace headrace {

template <class Tag, class Rep>
struct Named {
  Rep value{};
  auto operator<=>(const Named&) const = default;
};

using Tick = Named<struct TickTag, uint64_t>;    ///< 0 = before the first tick.
using Epoch = Named<struct EpochTag, uint64_t>;  ///< 0 = before the first checkpoint.
using NodeId = Named<struct NodeTag, uint32_t>;  ///< A node's place in its plan.
using ShardId = Named<struct ShardTag, uint32_t>;

}  // namespace headrace

template <class Tag, class Rep>
struct std::hash<headrace::Named<Tag, Rep>> {
  size_t operator()(const headrace::Named<Tag, Rep>& id) const noexcept { return std::hash<Rep>{}(id.value); }
};
