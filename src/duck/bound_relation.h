// What DuckDB's binder understood of a SELECT, as a plain tree without DuckDB's operators: the border between its
// planner and ours.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "duck/expression.h"
#include "duck/match_spec.h"

namespace headrace {

enum class WindowKind : uint8_t { tumble, hop, cumulate, session };
/// mark: the left columns and whether there is a partner. single: left, and more than one partner is an error.
enum class JoinKind : uint8_t { inner, left, right, full, semi, anti, mark, single, other };
enum class Comparison : uint8_t { equal, not_distinct, less, less_equal, greater, greater_equal, not_equal, other };

struct BoundColumn {
  std::string name;
  LogicalType type;
};

/// One item of an ORDER BY.
struct SortKey {
  Expr by;
  bool descending = false;
  bool nulls_first = false;
};

/// What stands for FIRST where it takes the value of a scalar sub-query.
inline constexpr const char* only_value = "only value";

/// One aggregate call, by DuckDB's name of the function.
struct AggregateCall {
  std::string function;  ///< count_star, count, sum, avg, min, max, first ... or `only_value`
  std::vector<Expr> arguments;
  Expr filter;  ///< empty() = none
  bool distinct = false;
  std::vector<SortKey> order;
  LogicalType type;
  std::string text;
  std::shared_ptr<const duckdb::Expression> bound;  ///< For BagFunction; its arguments are not used.
};

/// The rows around a row that a window function looks at.
struct Frame {
  enum class Unit : uint8_t { rows, range, groups } unit = Unit::range;
  enum class End : uint8_t { unbounded_preceding, preceding, current_row, following, unbounded_following };
  struct Bound {
    End end = End::unbounded_preceding;
    std::string text;                 ///< preceding, following: the distance as an SQL constant.
    std::optional<int64_t> distance;  ///< The same as a number of rows, groups or microseconds, where it is one.
  };
  Bound start, stop;
  std::string exclude;  ///< "" or the EXCLUDE clause.
};

/// One call of a window function, by its SQL name.
struct WindowCall {
  std::string function;         ///< row_number, rank, lag, sum ...
  std::vector<Expr> arguments;  ///< With offset and default of lag and lead.
  Expr filter;                  ///< empty() = none
  bool distinct = false, ignore_nulls = false;
  std::vector<SortKey> argument_order;  ///< first_value(x ORDER BY y)
  std::vector<Expr> partition;
  std::vector<SortKey> order;
  Frame frame;
  LogicalType type;
  std::string text;
};

struct BoundRelation {
  enum class Kind : uint8_t {
    scan,       ///< A named relation: `relation`, `scan_columns` are its columns in output order.
    late,       ///< late(x): like scan.
    window,     ///< A window table function over inputs[0]: adds window_start, window_end, window_time.
    match,      ///< headrace_match over inputs[0]: `match`, its output columns by `scan_columns`, one of `aggregates`
                ///< per value of measures and conditions (bound where the value is an aggregate).
    filter,     ///< predicate = conjunction of `expressions`
    project,    ///< `expressions`
    aggregate,  ///< groups, then aggregates, then grouping functions
    join,       ///< inputs[0] x inputs[1]
    asof_join,  ///< the last condition is the inequality
    cross,      ///< inputs[0] x inputs[1] without a condition
    table_function,  ///< A user's table function for each row of inputs[0]: `relation`, `expressions` are its
                     ///< arguments; its columns, then those of inputs[0] that are `passed_on`.
    process,         ///< A user's process function over inputs[0]: `relation`, `session_keys`.
    union_all,
    set_operation,  ///< INTERSECT or EXCEPT
    unnest,         ///< one row per element of the lists in `expressions`
    cte,            ///< inputs[1], in which `relation` names inputs[0]
    cte_ref,        ///< the rows of the CTE `relation`
    delim_get,      ///< The distinct values of `delim` of the join it stands below, on the right.
    distinct,       ///< on all columns
    distinct_on,    ///< one row per value of `expressions`, the first by `order`
    over,           ///< the input's columns, then one per call of `calls`
    sort,           ///< by `order`
    limit,          ///< `limit` rows after the first `offset`, by `order`
    one_row,        ///< What stands for FROM where there is none: a row of one column that nobody reads.
    unsupported     ///< `relation` names what it is
  };
  Kind kind = Kind::unsupported;
  std::vector<BoundColumn> columns;  ///< Output.
  std::vector<std::unique_ptr<BoundRelation>> inputs;
  std::string relation;
  std::vector<size_t> scan_columns;
  std::vector<size_t> passed_on;
  std::vector<Expr> expressions;
  std::vector<AggregateCall> aggregates;                ///< groups are in `expressions`.
  std::vector<std::vector<size_t>> grouping_sets;       ///< Places in the groups; empty = one set of all groups.
  std::vector<std::vector<size_t>> grouping_functions;  ///< GROUPING(...): the places of its arguments, BIGINT.
  bool except = false, all = false;                     ///< set_operation
  std::vector<WindowCall> calls;
  std::vector<SortKey> order;
  std::optional<int64_t> limit;  ///< Empty: no end.
  int64_t offset = 0;
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
  std::vector<std::string> session_keys;  ///< Of a session or a process function: PARTITION BY.
  std::shared_ptr<const MatchSpec> match;
};

}  // namespace headrace
