// The window functions of an OverNode as a query over rows of its partitions.
#pragma once

#include "duck/window_query.h"
#include "ops/operator.h"
#include "ops/ranked_rows.h"
#include "plan/nodes.h"

namespace headrace {

/// One thread. Rows are added partition by partition, in order within each.
class OverQuery {
 public:
  OverQuery(const OverNode& node, const OperatorContext& context);

  /// Adds all rows of one partition.
  void add(const std::vector<Slot>& rows);
  /// The rows added since the last run.
  const std::vector<Slot>& rows() const { return rows_; }
  /// Computes one column per function over the rows added; value i belongs to rows()[i]. clear() follows.
  Result<> run(const RankedRows& from, std::vector<Vector>& results);
  void clear();

 private:
  std::vector<size_t> columns_;  ///< Of the input, as the query reads them behind the partition's number.
  std::vector<LogicalType> types_, result_types_;
  std::optional<WindowQuery> query_;  ///< Set by the constructor.
  std::vector<Slot> rows_;
  std::vector<int64_t> partitions_;  ///< Of each row.
  int64_t next_partition_ = 0;
};

}  // namespace headrace
