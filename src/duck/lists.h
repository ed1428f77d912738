// Rows of many groups as one LIST per group: how a call of a user's function takes groups.
#pragma once

#include <cstdint>
#include <vector>

#include "duck/bound_relation.h"
#include "duck/chunk.h"

namespace headrace {

/// Makes `out` a LIST vector (of the column's type) whose list i are the rows order[ends[i - 1]] .. order[ends[i] - 1]
/// of `column`.
void make_lists(const Vector& column, const std::vector<uint32_t>& order, const std::vector<uint32_t>& ends,
                Vector& out);

/// Orders the rows of each group [ends[i - 1], ends[i]) by all columns, the first of them as `order` says (of which
/// only the directions count) and the others ascending, NULLs last and NaN the greatest number; gives the rows'
/// numbers. Equal rows stay in their order; `distinct` keeps the first of them, and moves `ends`.
std::vector<uint32_t> sorted_in_groups(DataChunk& rows, std::vector<uint32_t>& ends, const std::vector<SortKey>& order,
                                       bool distinct);

/// Orders rows as above, as one group.
void sort_rows(DataChunk& rows, const std::vector<SortKey>& order, bool distinct);

}  // namespace headrace
