// The typed plan: the vocabulary that every engine reads. Pure data. A plan is a list of nodes in topological order;
// edges name node and output. What each node promises of its output stands in its Output: columns with their time
// roles, changelog kind, key.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/named.h"
#include "catalog/project.h"
#include "data/schema.h"
#include "duck/bound_relation.h"
#include "duck/clock_bound.h"
#include "duck/expression.h"
#include "plan/statement.h"
#include "udf/function.h"

namespace headrace {

/// append: rows are only added. upsert: rows of a key replace each other. retract: rows are added and taken back.
enum class Changelog : uint8_t { append, upsert, retract };

/// "append", "upsert" or "retract".
std::string_view word_of(Changelog changelog);

/// What a column means for time.
enum class TimeRole : uint8_t { none, event_time, window_start, window_end, window_time };

inline bool is_window(TimeRole role) {
  return role == TimeRole::window_start || role == TimeRole::window_end || role == TimeRole::window_time;
}

struct Column {
  std::string name;
  LogicalType type;
  TimeRole role = TimeRole::none;
  int64_t window_ms = 0;      ///< Of a window's columns: the longest window; 0 = not known.
  bool names_window = false;  ///< Tells one window from all others by itself, without the window's other columns.
};

/// What a watermark promises of a column: rows to come have a greater value than the watermark less `lag_ms`.
struct Promise {
  size_t column = 0;
  int64_t lag_ms = 0;
};

/// An edge's beginning: which output of which node. Output 0 is the result; 1 are late rows.
struct Input {
  NodeId node;
  uint32_t output = 0;
};

struct Output {
  std::vector<Column> columns;
  Changelog changelog = Changelog::append;
  std::vector<size_t> key;  ///< Columns that name a row; empty = the whole row.
  bool watermark = false;   ///< A watermark flows: some column carries event time.
  bool deterministic = true;

  SchemaRef schema() const;
  std::optional<size_t> find_role(TimeRole role) const;
  /// What the watermark says of column `column`, if anything.
  std::optional<Promise> promise_of(size_t column) const;
  /// The columns that name a row: the key, or all.
  std::vector<size_t> naming_columns() const;
  /// The column that says best when a row is: of a window its end.
  std::optional<size_t> time_column() const;
};

struct NodeBase {
  NodeId id;
  std::string name;  ///< The statement it belongs to.
  std::vector<Input> inputs;
  Output output;
  Location at;
  OnError on_error = OnError::quarantine;  ///< What becomes of a row on which its expressions fail.
};

struct WatermarkRule {
  size_t column = 0;  ///< In the source's delivered columns.
  Expr expression;    ///< Over the delivered columns; gives the watermark as a timestamp.
};

struct BoundExpectation {
  std::string name;
  std::string condition;  ///< As written.
  Expr violation;         ///< NOT condition, over the delivered columns: true for rows that break it.
  ExpectationAction action = ExpectationAction::quarantine;
};

/// The source of one row, which queries without FROM, VALUES and UNNEST of constants read.
inline constexpr const char* one_row_name = "(one row)";

/// Reads a source. Decodes, checks the contract, stamps watermarks.
struct SourceNode : NodeBase {
  std::string connector;
  std::map<std::string, std::string> options;
  Schema declared;
  std::vector<size_t> delivered;  ///< The declared columns that are read, in output order.
  /// In `declared`. With one, rows replace each other: an update comes as its new row only (Changelog::upsert), and
  /// only a NormalizeNode or a temporal join reads it so.
  std::vector<size_t> primary_key;
  std::optional<WatermarkRule> watermark;
  std::vector<BoundExpectation> expectations;
  bool reject_extra_fields = false;
  int64_t max_future_ms = 0;  ///< 0 = off.
  bool is_static = false;     ///< Read to its end before anything else; a table for look-ups.
};

/// Turns rows that replace each other by key (a source's with a primary key: +1 is the key's new row, -1 removes the
/// key) into changes: the old row taken back, the new row added.
struct NormalizeNode : NodeBase {
  std::vector<size_t> key;
};

/// Passes on the rows for which `predicate` is true.
struct FilterNode : NodeBase {
  Expr predicate;
};

/// Shows each row as long as now() is within all bounds: it comes, and goes, by itself.
struct TemporalFilterNode : NodeBase {
  std::vector<ClockBound> bounds;
};

/// Computes one column per expression.
struct ProjectNode : NodeBase {
  std::vector<Expr> expressions;
};

/// Passes on the rows of all inputs.
struct UnionNode : NodeBase {};

struct WindowSpec {
  WindowKind kind = WindowKind::tumble;
  size_t time_column = 0;  ///< In the input.
  int64_t size_ms = 0;     ///< session: the gap
  int64_t slide_ms = 0;    ///< hop: slide; cumulate: step; tumble: = size
  int64_t offset_ms = 0;
  std::vector<size_t> keys;  ///< session: the columns of PARTITION BY, in the input
};

/// Adds window_start, window_end and window_time; a row of several windows comes out several times. The rows of a
/// session come out when it has closed.
struct WindowAssignNode : NodeBase {
  WindowSpec window;
  bool hold_at_end = false;  ///< ON END HOLD: the end of input closes no session.
  std::string late_name;     ///< session: late rows go to output 1 under this name; "" = nobody reads them
};

/// Sends the rows that every window refuses to output 1, the others to output 0.
struct LateFilterNode : NodeBase {
  WindowSpec window;
  std::string window_name;  ///< As late_operator shows it.
};

/// Gathers late rows as a relation: the row, late_operator, late_watermark.
struct LateNode : NodeBase {};

enum class AggregateKind : uint8_t {
  count_star,
  count,
  sum_integer,     ///< BIGINT, overflow is an error
  sum_decimal,     ///< DECIMAL(38, s)
  sum_double,      ///< append-only inputs, in order of arrival
  average,         ///< of integers and decimals: exact sum over count
  average_double,  ///< append-only inputs
  minimum,         ///< append-only inputs of fixed width
  maximum,
  minimum_text,  ///< VARCHAR and BLOB; like first and last, they keep one value where the input is append-only
  maximum_text,
  count_distinct,
  first,       ///< in order of arrival; of equal values that are taken back the latest
  last,        ///< in order of arrival; of equal values that are taken back the earliest
  bag,         ///< keeps the group's values; computed by DuckDB's function of that name when asked for
  function,    ///< keeps the group's values; computed by the user's function when asked for
  accumulator  ///< the user's accumulator: its attributes are the state
};

/// One aggregate over columns of the input (what must be computed was computed by a projection below).
struct Aggregate {
  AggregateKind kind = AggregateKind::count_star;
  AggregateCall call;             ///< As bound; its expressions read the input's columns.
  std::vector<size_t> arguments;  ///< Columns.
  size_t sorted_by = 0;           ///< So many of them, the first, are what ORDER BY names and not the function's own.
  bool appends = false;           ///< The input takes nothing back.
  std::optional<size_t> filter;   ///< A BOOLEAN column.
  LogicalType type;
  UserFunction function;  ///< Of the kinds function and accumulator.
};

/// GROUP BY over anything: one row per key, changed once per tick.
struct AggregateNode : NodeBase {
  std::vector<size_t> groups;
  std::vector<Aggregate> aggregates;
  int64_t emit_every_ms = 0;  ///< EMIT EVERY: 0 = every tick
};

/// GROUP BY with a window: one result per key and window, when the watermark passes the window's end (or as changes,
/// every tick).
struct WindowAggregateNode : NodeBase {
  std::optional<WindowSpec> assign;         ///< Rows are assigned here, in slices; else the input has window columns.
  size_t window_start = 0, window_end = 0;  ///< Without `assign`: the input's window columns.
  std::vector<size_t> groups;               ///< Without the window's columns.
  std::vector<Aggregate> aggregates;
  /// Where each output column comes from: a group, an aggregate, or a window column.
  struct OutputColumn {
    enum class From : uint8_t { group, aggregate, window_start, window_end, window_time } from = From::group;
    size_t index = 0;
  };
  std::vector<OutputColumn> outputs;
  bool emit_updates = false;  ///< EMIT ON UPDATE, EMIT EVERY
  int64_t emit_every_ms = 0;  ///< EMIT EVERY: 0 = every tick
  bool hold_at_end = false;   ///< ON END HOLD: the end of input closes no window.
};

/// Joins a stream (input 0) with a static table (input 1) on equal keys.
struct LookupJoinNode : NodeBase {
  JoinKind join = JoinKind::inner;  ///< inner | left
  std::vector<size_t> left_keys, right_keys;
  std::vector<bool> null_safe;  ///< IS NOT DISTINCT FROM
  Expr residual;                ///< Over left then right columns.
};

/// Joins each row of input 0 with the one row of input 1 that has its key and is nearest by an ordered column. Input 1
/// is a static table, or a stream: then the answer changes as nearer rows come.
struct AsofJoinNode : NodeBase {
  JoinKind join = JoinKind::inner;
  std::vector<size_t> left_keys, right_keys;
  size_t left_order = 0, right_order = 0;
  Comparison comparison = Comparison::greater_equal;  ///< left ? right
  bool table = true;                                  ///< Input 1 is a static table.
};

/// One side of a join of two streams.
struct JoinSide {
  std::vector<size_t> keys;  ///< In its input.
  /// When a row can meet no partner any more: the watermark reaches the row's `column` + `keep_ms`. Empty: never.
  struct Expiry {
    size_t column = 0;
    int64_t keep_ms = 0;
  };
  std::optional<Expiry> expiry;
  /// Set when the other side's rows are let go by the watermark: a row that breaks the promise is late.
  std::optional<Promise> promise;
};

/// Joins two streams, which may change: rows of both sides are kept, and each change of one meets the rows of the
/// other.
struct JoinNode : NodeBase {
  JoinKind join = JoinKind::inner;  ///< inner | left | right | full | semi | anti
  JoinSide left, right;
  std::vector<bool> null_safe;  ///< By key: IS NOT DISTINCT FROM
  Expr residual;                ///< Over left then right columns; may be empty().
  int64_t hold_ms = 0;          ///< The watermark that is passed on lies this far behind the node's own.
  bool hold_at_end = false;     ///< ON END HOLD: the end of input lets no row go.
};

/// INTERSECT and EXCEPT, whole rows compared, NULLs equal.
struct SetOperationNode : NodeBase {
  bool except = false;  ///< else INTERSECT
  bool all = false;     ///< Rows are counted; else a row is there once or not at all.
};

/// One row per element of lists; lists of one row side by side, the shorter ones filled up with NULLs.
struct UnnestNode : NodeBase {
  std::vector<Expr> lists;  ///< Over the input; their elements become the last columns.
};

/// An item of an ORDER BY over columns.
struct OrderColumn {
  size_t column = 0;
  bool descending = false;
  bool nulls_first = false;

  bool operator==(const OrderColumn&) const = default;
};

/// Of the rows of each partition, those whose rank is in (offset, offset + limit].
struct TopNNode : NodeBase {
  enum class Rank : uint8_t { row_number, rank };
  std::vector<size_t> partition;
  std::vector<OrderColumn> order;
  /// The first `order_written` items of `order` are the query's; the others decide between ties where the order of
  /// arrival says nothing.
  size_t order_written = 0;
  Rank rank = Rank::row_number;
  int64_t offset = 0, limit = 0;
  bool rank_output = true;           ///< The last column is the rank.
  bool last_first = false;           ///< Of equal rows the later arrival stands first.
  bool keeps_all_rows = false;       ///< Rows may be taken back: those behind the limit may move up.
  std::optional<size_t> window_end;  ///< Partitions end when the watermark passes this column, which they hold.
  bool emit_updates = false;         ///< With window_end: changes every tick, not one result at the end.
  bool hold_at_end = false;          ///< ON END HOLD: the end of input ends no partition.
};

/// A value that is read off matched rows.
struct PatternValue : MatchValue {  ///< `argument` is a column of the input.
  LogicalType type;
  AggregateCall call;  ///< kind aggregate; reads nothing but the argument.
};

/// A variable and when a row may go to it: the row's column `row_condition` is true, or `condition` over what the
/// conditions read; always, when there is neither.
struct MatchedVariable : PatternVariable {
  std::optional<size_t> row_condition;  ///< A BOOLEAN column of the input.
  Expr condition;                       ///< Over MatchNode::read.
};

/// MATCH_RECOGNIZE: one row per match of a pattern in the rows of a partition, in order of time.
struct MatchNode : NodeBase {
  std::vector<size_t> partition;
  size_t time_column = 0;
  std::optional<size_t>
      sort_column;  ///< Orders rows of one millisecond, bytewise; else they keep their order of arrival.
  std::vector<MatchedVariable> pattern;
  AfterMatch after = AfterMatch::to_next_row;
  size_t after_variable = 0;
  int64_t within_ms = 0;              ///< A match is shorter than this; 0 = no limit.
  std::vector<PatternValue> read;     ///< By conditions.
  std::vector<PatternValue> outputs;  ///< One per output column, of the whole match.
  int64_t hold_ms = 0;                ///< The watermark that is passed on lies this far behind the node's own.
  bool hold_at_end = false;           ///< ON END HOLD: the end of input decides nothing.
};

/// Joins each row of input 0 with the version of its key in input 1 that was valid at the row's time.
struct TemporalJoinNode : NodeBase {
  JoinKind join = JoinKind::inner;  ///< inner | left
  std::vector<size_t> left_keys, right_keys;
  std::vector<bool> null_safe;  ///< IS NOT DISTINCT FROM
  size_t left_time = 0, right_time = 0;
  Expr residual;                       ///< Over left then right columns; asked of the valid version.
  size_t left_width = 0;               ///< Columns of input 0.
  bool left_changes = false;           ///< Rows of input 0 may be taken back.
  bool removals_end_versions = false;  ///< -1: no row from its time on; else that version was never there.
  bool hold_at_end = false;            ///< ON END HOLD: the end of input is no watermark.
};

/// Joins each row of input 0 with the rows of its key that input 1 has when the row comes.
struct ProcessingTimeJoinNode : NodeBase {
  JoinKind join = JoinKind::inner;  ///< inner | left
  std::vector<size_t> left_keys, right_keys;
  std::vector<bool> null_safe;  ///< IS NOT DISTINCT FROM
  Expr residual;                ///< Over left then right columns.
  size_t left_width = 0;        ///< Columns of input 0.
};

/// A window function over columns of the input.
struct OverFunction {
  WindowCall call;                ///< As bound; its expressions read the input's columns.
  std::vector<size_t> arguments;  ///< Columns.
  std::vector<OrderColumn> argument_order;
  std::optional<size_t> filter;              ///< A BOOLEAN column.
  AggregateKind total = AggregateKind::bag;  ///< Of an aggregate that is carried on from row to row.
};

/// Adds a column per window function, all over one partition and order.
struct OverNode : NodeBase {
  /// What is kept of the rows whose result was given.
  enum class Keeps : uint8_t {
    all,          ///< All of them.
    last_rows,    ///< The last `kept` of each partition.
    last_groups,  ///< The same, with rows of equal order counting as one.
    recent,       ///< Those not older than `kept` microseconds.
    first_rows,   ///< The first `kept` of each partition.
    totals        ///< None: totals of each partition are carried on.
  };
  std::vector<size_t> partition;
  std::vector<OrderColumn> order;
  size_t order_written = 0;  ///< As in TopNNode.
  std::vector<OverFunction> functions;
  /// The results of rows are given once, when the watermark reaches the row's time; else they change.
  std::optional<size_t> time;
  Keeps keeps = Keeps::all;
  int64_t kept = 0;
  bool hold_at_end = false;  ///< ON END HOLD: the end of input is no watermark.
};

/// Any number of rows for each row: the input's columns, then the function's.
struct TableFunctionNode : NodeBase {
  UserFunction function;
  std::vector<size_t> arguments;
  bool keeps_all = false;  ///< LEFT JOIN: a row for which the function gives none stays, with NULLs.
};

/// A keyed process function: gives its own columns.
struct ProcessNode : NodeBase {
  UserFunction function;
  std::vector<size_t> key;
};

/// Keeps a materialized view.
struct ViewNode : NodeBase {
  EmitText emit;
};

/// Writes to the outside.
struct SinkNode : NodeBase {
  std::string connector;
  std::map<std::string, std::string> options;
};

/// Watches a relation for rows that meet a condition for some time.
struct AlertNode : NodeBase {
  Expr condition;
  int64_t for_ms = 0;
  std::string webhook;  ///< "" = none.
  std::map<std::string, std::string> options;
};

using Node =
    std::variant<SourceNode, NormalizeNode, FilterNode, TemporalFilterNode, ProjectNode, UnionNode, WindowAssignNode,
                 LateFilterNode, LateNode, AggregateNode, WindowAggregateNode, LookupJoinNode, AsofJoinNode,
                 TemporalJoinNode, ProcessingTimeJoinNode, JoinNode, SetOperationNode, UnnestNode, TopNNode, MatchNode,
                 OverNode, TableFunctionNode, ProcessNode, ViewNode, SinkNode, AlertNode>;

const NodeBase& base_of(const Node& node);
NodeBase& base_of(Node& node);
/// ON END HOLD: the end of input is no news for this node.
bool holds_at_end(const Node& node);
/// "filter", "window_aggregate" ...: the node's name in JSON, metrics and the console.
std::string_view kind_of(const Node& node);
/// How far the watermark that a node passes on lies behind its own.
int64_t hold_ms_of(const Node& node);
/// True when input 1 of a node is a static table, which has no watermark and ends before the first tick.
bool looks_up(const Node& node);

struct Plan {
  std::vector<Node> nodes;  ///< nodes[i] has id i; inputs stand before.
  const Node& operator[](NodeId id) const { return nodes[id.value]; }
};

/// For std::visit over nodes.
template <class... Fs>
struct overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
overloaded(Fs...) -> overloaded<Fs...>;

/// Adds the names of the sources below a node; what is only looked up in (static tables) is none.
void collect_sources(const Plan& plan, Input from, std::set<std::string>& names);

}  // namespace headrace
