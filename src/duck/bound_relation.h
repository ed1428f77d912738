// What DuckDB's binder understood of a SELECT, as a plain tree without DuckDB's operators: the border between its
// planner and ours.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "duck/expression.h"

namespace headrace {

enum class WindowKind : uint8_t { tumble, hop, cumulate, session };
/// mark: the left columns and whether there is a partner. single: left, and more than one partner is an error.
enum class JoinKind : uint8_t { inner, left, right, full, semi, anti, mark, single, other };
enum class Comparison : uint8_t { equal, not_distinct, less, less_equal, greater, greater_equal, not_equal, other };

struct BoundColumn {
  std::string name;
  LogicalType type;
};

/// One aggregate call, by DuckDB's name of the function.
struct AggregateCall {
  std::string function;  ///< count_star, count, sum, avg, min, max, first ...
  std::vector<Expr> arguments;
  Expr filter;  ///< empty() = none
  bool distinct = false;
  struct Order {
    Expr by;
    bool descending = false;
    bool nulls_first = false;
  };
  std::vector<Order> order;
  LogicalType type;
  std::string text;
  std::shared_ptr<const duckdb::Expression> bound;  ///< For BagFunction; its arguments are not used.
};

struct BoundRelation {
  enum class Kind : uint8_t {
    scan,       ///< A named relation: `relation`, `scan_columns` are its columns in output order.
    late,       ///< late(x): like scan.
    window,     ///< A window table function over inputs[0]: adds window_start, window_end, window_time.
    filter,     ///< predicate = conjunction of `expressions`
    project,    ///< `expressions`
    aggregate,  ///< groups, then aggregates, then grouping functions
    join,       ///< inputs[0] x inputs[1]
    asof_join,  ///< the last condition is the inequality
    cross,      ///< inputs[0] x inputs[1] without a condition
    union_all,
    set_operation,  ///< INTERSECT or EXCEPT
    unnest,         ///< one row per element of the lists in `expressions`
    cte,            ///< inputs[1], in which `relation` names inputs[0]
    cte_ref,        ///< the rows of the CTE `relation`
    delim_get,      ///< The distinct values of `delim` of the join it stands below, on the right.
    distinct,       ///< on all columns
    values,         ///< constant rows
    unsupported     ///< `relation` names what it is
  };
  Kind kind = Kind::unsupported;
  std::vector<BoundColumn> columns;  ///< Output.
  std::vector<std::unique_ptr<BoundRelation>> inputs;
  std::string relation;
  std::vector<size_t> scan_columns;
  std::vector<Expr> expressions;
  std::vector<AggregateCall> aggregates;                ///< groups are in `expressions`.
  std::vector<std::vector<size_t>> grouping_sets;       ///< Places in the groups; empty = one set of all groups.
  std::vector<std::vector<size_t>> grouping_functions;  ///< GROUPING(...): the places of its arguments, BIGINT.
  bool except = false, all = false;                     ///< set_operation
  JoinKind join = JoinKind::inner;
  bool by_row = false;      ///< join: the right side is computed of each left row (UNNEST, lateral).
  std::vector<Expr> delim;  ///< join: over the left columns, what a correlated right side depends on.
  struct Condition {
    Expr left, right;
    Comparison comparison = Comparison::equal;
  };
  std::vector<Condition> conditions;
  Expr residual;  ///< A condition over both sides' columns (left, then right); may be empty().
  WindowKind window = WindowKind::tumble;
  std::string time_column;
  std::vector<int64_t>
      window_ms;  ///< tumble: size, offset; hop: slide, size, offset; cumulate: step, size, offset; session: gap.
  std::vector<std::string> session_keys;
};

}  // namespace headrace
