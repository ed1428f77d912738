// The order in which rows go on that came on several ways in one tick: from other shards, or through branches of one
// source.
#pragma once

#include <vector>

#include "data/batch.h"

namespace headrace {

/// Puts batches in order of their ordinals. Rows of one batch that have been spread over the shards and come together
/// again share an ordinal: they are merged by their stamps, which rise as rows arrive, so that a row finds before it
/// what was there when it arrived, whatever the number of shards. What one sender has sent keeps its order. `sent` is
/// by sender.
std::vector<Batch> in_arrival_order(std::vector<std::vector<Batch>> sent);

}  // namespace headrace
