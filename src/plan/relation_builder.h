// Private to src/plan: turns bound relations into nodes of the plan.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "plan/nodes.h"
#include "plan/user_functions.h"

namespace headrace {

/// What is right, but does not run here; `remedy` says what does.
inline Error unsupported(const std::string& what, const std::string& remedy) {
  return user_error(Code::unsupported_sql, what).with_remedy(remedy);
}

/// What a name stands for: the place in the plan where its rows come from.
struct Relation {
  Input from;
};

class RelationBuilder {
 public:
  explicit RelationBuilder(Plan& plan) : plan_(plan) {}

  void set_functions(UserFunctions functions) { functions_ = std::move(functions); }
  /// Which statement the next nodes belong to, and when its windows give their answers.
  void begin(const std::string& name, const Location& at, const EmitText& emit);
  /// Adds the nodes for a bound SELECT; gives its result. Errors carry no place.
  Result<Input> build(const BoundRelation& relation);
  void define(const std::string& name, Input from);
  /// A view that is no more than a name for its query: who reads it and says EMIT says it of that query, too.
  void define_query(const std::string& name, const Location& at, std::unique_ptr<BoundRelation> query);
  /// late(name) is read somewhere: windows over that relation send their late rows there.
  void want_late(const std::string& name);

  /// Adds a node; sets its id and statement.
  template <class N>
  Input add(N node) {
    node.id = NodeId{static_cast<uint32_t>(plan_.nodes.size())};
    node.name = name_;
    node.at = at_;
    Input out{node.id, 0};
    plan_.nodes.emplace_back(std::move(node));
    return out;
  }
  const Output& output_of(Input input) const;
  /// Projects an input to plain columns.
  Input pick(Input input, const std::vector<size_t>& columns);
  /// True when some rows below come or go by now().
  bool follows_clock(Input input) const;
  /// Projects an input to expressions over it.
  Input project(Input input, const std::vector<Expr>& expressions, const std::vector<std::string>& names);

 private:
  /// The node that gathers the late rows of a relation (lower case).
  Input late_of(const std::string& name);
  /// The relation x (lower case) that `relation` is, with all its columns in their places, when somebody reads late(x);
  /// "" = none.
  std::string late_source_of(const BoundRelation& relation) const;
  /// Gives the rows of `relation`, built as `input`, that `window` does not refuse. Where it is x, or a projection of
  /// it, and somebody reads late(x), the others are told there: split right above x, where they have all its columns.
  Result<Input> split_late(Input input, const BoundRelation& relation, WindowSpec window, const std::string& name);
  Result<Input> build_scan(const BoundRelation& relation);
  struct NamedQuery {
    std::string name;
    Location at;
    std::unique_ptr<BoundRelation> relation;
  };
  Result<Input> rows_of(const std::string& name);
  Result<Input> build_named(const NamedQuery& query);
  Result<Input> build_late(const BoundRelation& relation);
  Result<Input> build_window(const BoundRelation& relation);
  Result<> check_repeatable(Input input, const std::vector<Expr>& expressions) const;
  Result<Input> build_project(Input input, const BoundRelation& relation);
  Result<Input> build_where(const BoundRelation& relation, const std::vector<Expr>& parts);
  /// The rows of `input` for which all of `parts` are true.
  Result<Input> filter(Input input, const std::vector<Expr>& parts);
  /// The rows of `input` as long as now() is within their bounds.
  Input temporal_filter(Input input, std::vector<ClockBound> bounds);
  /// Adds a window function over `input`. `late_source` (lower case) is the relation whose late rows it tells; "" =
  /// none.
  Input add_window(Input input, WindowSpec window, const std::string& window_name, const std::string& late_source);
  Result<Input> build_match(const BoundRelation& relation);
  Result<Input> build_aggregate(const BoundRelation& relation);
  /// Aggregates `input` by those groups of `relation` whose places are in `set`: these groups, then the aggregates.
  Result<Input> aggregate_by(Input input, const BoundRelation& relation, const std::vector<size_t>& set);
  // build_session.cc
  Result<std::vector<size_t>> session_keys(const BoundRelation& relation, const Output& in) const;
  // build_grouping_sets.cc
  Result<Input> build_grouping_sets(Input input, const BoundRelation& relation);
  Input copy_of_window(Input input);
  Result<Input> build_cte_ref(const BoundRelation& relation, const std::vector<Expr>& parts);
  Result<Input> build_set_operation(const BoundRelation& relation);
  Input one_row();
  Result<Input> build_unnest(const BoundRelation& relation);
  Input unnest(Input input, const std::vector<Expr>& lists, const BoundRelation& relation);
  Result<Input> build_distinct(const BoundRelation& relation);
  Input distinct(Input input);
  Result<Input> build_union(const BoundRelation& relation);
  /// What UNION ALL promises of its inputs.
  Output union_of(const std::vector<Input>& inputs) const;
  Result<Input> build_join(const BoundRelation& relation, const std::vector<Expr>& more_conditions);
  Result<Input> build_asof(const BoundRelation& relation);
  Result<Input> build_by_values(const BoundRelation& relation, const std::vector<Expr>& more_conditions);
  Result<Input> build_mark(const BoundRelation& relation, const std::vector<Expr>& parts);
  /// The right side of a join, which may depend on values of the left one.
  Result<Input> build_right(const BoundRelation& relation, Input left, const std::vector<Expr>& parts);
  Result<Input> build_by_row(const BoundRelation& relation, Input left, const std::vector<Expr>& outer,
                             bool keeps_all = false);
  Result<Input> by_unknown(Input left, Input right, JoinKind kind,
                           const std::vector<BoundRelation::Condition>& conditions);
  Result<std::optional<Input>> without_delim(const BoundRelation& relation, const std::vector<Expr>& parts);
  Result<Input> join_streams(Input left, Input right, JoinKind kind, std::vector<BoundRelation::Condition> conditions,
                             const std::vector<Expr>& rest);
  // build_temporal.cc
  /// The rows that are versions of a relation's keys.
  struct Versions {
    Input rows;
    size_t width = 0;  ///< The columns that were selected; time and key may follow.
    size_t time = 0;
    std::vector<size_t> key;  ///< None: what the join compares.
    bool removals_end_versions = false;
  };
  /// Takes FOR SYSTEM_TIME AS OF out of a join's conditions; gives its time.
  static std::optional<Expr> take_time(std::vector<Expr>& conditions);
  static Result<> refuse_time(const std::vector<Expr>& conditions);
  Result<Input> build_temporal(Input left, Input right, JoinKind kind,
                               const std::vector<BoundRelation::Condition>& conditions, const std::vector<Expr>& rest,
                               const Expr& time);
  Input keyed(Input input, std::vector<size_t> key);
  Result<Versions> versions_of(Input right);
  Result<Input> join_versions(Input left, size_t left_time, const Versions& versions, JoinKind kind,
                              const std::vector<BoundRelation::Condition>& conditions, std::vector<Expr> rest);
  Result<Input> join_present(Input left, Input right, JoinKind kind,
                             const std::vector<BoundRelation::Condition>& conditions, std::vector<Expr> rest);
  // build_function.cc
  /// A user's table function over `below`, which has the columns of relation.inputs[0] from `first` on.
  Result<Input> table_function(Input below, size_t first, const BoundRelation& relation, bool keeps_all);
  Result<Input> build_process(const BoundRelation& relation);
  Result<Input> finish_lookup(Input left, Input right, JoinKind kind, std::vector<BoundRelation::Condition> conditions,
                              Expr residual);
  Result<Input> finish_asof(Input left, Input right, JoinKind kind, std::vector<BoundRelation::Condition> conditions,
                            bool table);
  /// A copy of `input` that is read first, as a table: when it is fed by one bounded file without changes or event
  /// time, through filters and projections, and no row of that file comes through `stream`.
  std::optional<Input> as_table(Input input, Input stream);
  // build_over.cc
  Result<Input> build_over(const BoundRelation& relation, const std::vector<Expr>& parts);
  std::optional<size_t> time_of_results(const BoundRelation& over, const Output& in) const;
  Result<std::vector<OverNode>> over_nodes(const BoundRelation& over, Input& input, bool in_time,
                                           std::vector<std::vector<size_t>>& calls);
  Input finish_over(Input input, OverNode node);
  void break_ties(Input input, std::vector<OrderColumn>& order) const;
  Result<Input> build_limit(const BoundRelation& relation);
  Result<Input> build_distinct_on(const BoundRelation& relation);
  Result<Input> add_top_n(Input input, const std::vector<Expr>& partition, const std::vector<SortKey>& order,
                          TopNNode node);
  bool keeps_arrival(Input input) const;
  /// The input with one more column per expression that is not a plain column; `columns` says where each lies.
  Input with_columns(Input input, const std::vector<Expr>& expressions, std::vector<size_t>& columns);

  Plan& plan_;
  UserFunctions functions_;
  std::string name_;
  Location at_;
  EmitText emit_;
  std::map<std::string, Input> relations_;
  std::map<std::string, NamedQuery> queries_;
  std::map<std::pair<std::string, EmitText>, Input> named_;  ///< What they have been planned as, by EMIT.
  std::set<std::string> late_wanted_;
  std::map<std::string, Input> late_;
  std::optional<Input> one_row_;
  std::map<std::string, Input> ctes_;                      ///< What WITH has named, by its number.
  std::map<std::string, const BoundRelation*> read_once_;  ///< The same, where it is read in one place only.
  std::vector<Input> delim_;             ///< The distinct outer values of the correlated joins around, innermost last.
  std::map<std::string, Input> tables_;  ///< The sources that are read first, by name.
};

}  // namespace headrace
