#include "plan/optimize.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>

namespace headrace {
namespace {

/// How many inputs read output 0 of each node.
std::vector<size_t> readers(const Plan& plan) {
  std::vector<size_t> out(plan.nodes.size());
  for (const Node& node : plan.nodes)
    for (const Input& input : base_of(node).inputs) ++out[input.node.value];
  return out;
}

Expr reference_to(const Output& output, size_t column) {
  return Expr::reference(column, output.columns[column].type, output.columns[column].name);
}

using Columns = std::set<size_t>;

// ---- Windows into aggregations ----

/// The filters and projections between an aggregation and the window below it, top first; empty when something else
/// stands between.
struct Chain {
  std::vector<uint32_t> nodes;
  uint32_t assign = 0;
  bool found = false;
};

Chain chain_to_window(const Plan& plan, const std::vector<size_t>& read, uint32_t from) {
  Chain out;
  for (uint32_t at = from;;) {
    if (read[at] != 1) return {};
    const Node& node = plan.nodes[at];
    if (std::holds_alternative<WindowAssignNode>(node)) {
      out.assign = at;
      out.found = true;
      return out;
    }
    if (!std::holds_alternative<FilterNode>(node) && !std::holds_alternative<ProjectNode>(node)) return {};
    out.nodes.push_back(at);
    at = base_of(node).inputs[0].node.value;
  }
}

/// Takes the window's columns out of the chain: instead of window_start, window_end and window_time the event time is
/// carried up. False when some expression computes with a window column: then nothing was changed.
bool carry_time(Plan& plan, const Chain& chain, WindowAggregateNode& aggregate) {
  const auto& assign = std::get<WindowAssignNode>(plan.nodes[chain.assign]);
  const size_t width = assign.output.columns.size() - 3;
  // window_columns[i]: which window column (0 start, 1 end, 2 time) column i is, or -1.
  std::vector<int> window_columns(width + 3, -1);
  for (int i = 0; i < 3; ++i) window_columns[width + i] = i;
  Plan changed = plan;
  Input below = assign.inputs[0];
  Output output = base_of(plan.nodes[below.node.value]).output;
  size_t time = assign.window.time_column;
  // places[i]: where column i of the old input stands in the new one; a window column stands where the time stands.
  std::vector<size_t> places(width + 3, time);
  std::iota(places.begin(), places.begin() + static_cast<long>(width), 0);
  auto reads_window = [&](const Expr& expression) {
    for (size_t column : expression.columns())
      if (window_columns[column] >= 0) return true;
    return false;
  };
  for (auto at = chain.nodes.rbegin(); at != chain.nodes.rend(); ++at) {
    Node& node = changed.nodes[*at];
    if (auto* filter = std::get_if<FilterNode>(&node)) {
      if (reads_window(filter->predicate)) return false;
      filter->predicate = filter->predicate.remap(places);
      filter->inputs = {below};
      filter->output.columns = output.columns;
      filter->output.key.clear();
    } else {
      auto& project = std::get<ProjectNode>(node);
      std::vector<Expr> expressions;
      std::vector<Column> columns;
      std::vector<int> next_window;
      std::vector<size_t> next_places;
      for (size_t i = 0; i < project.expressions.size(); ++i) {
        std::optional<size_t> column = project.expressions[i].column();
        int window = column ? window_columns[*column] : -1;
        if (window < 0 && reads_window(project.expressions[i])) return false;
        next_window.push_back(window);
        next_places.push_back(expressions.size());
        if (window >= 0) continue;
        expressions.push_back(project.expressions[i].remap(places));
        columns.push_back(project.output.columns[i]);
      }
      for (size_t i = 0; i < next_window.size(); ++i)
        if (next_window[i] >= 0) next_places[i] = expressions.size();
      expressions.push_back(reference_to(output, time));
      columns.push_back(output.columns[time]);
      time = expressions.size() - 1;
      project.expressions = std::move(expressions);
      project.inputs = {below};
      project.output.columns = std::move(columns);
      project.output.key.clear();
      output = project.output;
      window_columns = std::move(next_window);
      places = std::move(next_places);
    }
    below = {NodeId{*at}, 0};
  }
  auto moved = [&](size_t column) { return places[column]; };
  for (size_t& group : aggregate.groups) {
    if (window_columns[group] >= 0) return false;
    group = moved(group);
  }
  for (Aggregate& item : aggregate.aggregates) {
    for (size_t& argument : item.arguments) {
      if (window_columns[argument] >= 0) return false;
      argument = moved(argument);
    }
    if (item.filter) item.filter = moved(*item.filter);
  }
  aggregate.assign = assign.window;
  aggregate.assign->time_column = time;
  aggregate.assign->keys.clear();  // A session's keys are the groups.
  aggregate.inputs = {below};
  plan = std::move(changed);
  return true;
}

/// True when the aggregation's groups are just the keys of the sessions below it, nothing between them leaves rows out,
/// and rows are only added: then each session is one result.
bool one_result_per_session(const Plan& plan, const Chain& chain, const WindowAggregateNode& aggregate) {
  const auto& assign = std::get<WindowAssignNode>(plan.nodes[chain.assign]);
  if (!assign.late_name.empty()) return false;
  if (base_of(plan[assign.inputs[0].node]).output.changelog != Changelog::append) return false;
  Columns found;
  for (size_t group : aggregate.groups) {
    std::optional<size_t> column = group;
    for (uint32_t at : chain.nodes) {
      auto* project = std::get_if<ProjectNode>(&plan.nodes[at]);
      if (project == nullptr) return false;
      column = project->expressions[*column].column();
      if (!column) return false;
    }
    found.insert(*column);
  }
  return std::all_of(chain.nodes.begin(), chain.nodes.end(),
                     [&](uint32_t at) { return std::holds_alternative<ProjectNode>(plan.nodes[at]); }) &&
         found == Columns(assign.window.keys.begin(), assign.window.keys.end());
}

void fuse_windows(Plan& plan) {
  for (uint32_t at = 0; at < plan.nodes.size(); ++at) {
    auto* aggregate = std::get_if<WindowAggregateNode>(&plan.nodes[at]);
    if (aggregate == nullptr || aggregate->assign) continue;
    Chain chain = chain_to_window(plan, readers(plan), aggregate->inputs[0].node.value);
    if (!chain.found) continue;
    if (std::get<WindowAssignNode>(plan.nodes[chain.assign]).window.kind == WindowKind::session) {
      if (!one_result_per_session(plan, chain, *aggregate)) continue;
    } else if (aggregate->emit_updates) {
      continue;  // Partial answers are told per window: its rows are kept by window, not by slice.
    }
    WindowAggregateNode fused = *aggregate;
    if (carry_time(plan, chain, fused)) plan.nodes[at] = std::move(fused);
  }
}

// ---- Projections ----

void merge_projections(Plan& plan) {
  std::vector<size_t> read = readers(plan);
  for (Node& node : plan.nodes) {
    auto* upper = std::get_if<ProjectNode>(&node);
    if (upper == nullptr) continue;
    while (auto* lower = std::get_if<ProjectNode>(&plan.nodes[upper->inputs[0].node.value])) {
      // A computed column that is read twice would be computed twice.
      std::vector<size_t> uses(lower->expressions.size());
      for (const Expr& expression : upper->expressions) expression.count_uses(uses);
      bool plain = true;
      for (size_t i = 0; i < uses.size(); ++i) plain = plain && (lower->expressions[i].column() || uses[i] <= 1);
      // NULL for what fails would then be NULL for all that is computed from it.
      const bool apart = upper->on_error != lower->on_error || upper->on_error == OnError::null;
      plain = plain && (!apart || std::all_of(lower->expressions.begin(), lower->expressions.end(),
                                              [](const Expr& e) { return e.column(); }));
      bool shared = read[lower->id.value] > 1 && !std::all_of(lower->expressions.begin(), lower->expressions.end(),
                                                              [](const Expr& e) { return e.column(); });
      if (!plain || shared) break;
      for (Expr& expression : upper->expressions) expression = expression.compose(lower->expressions);
      upper->inputs = lower->inputs;
    }
  }
}

bool is_identity(const ProjectNode& node, const Output& input) {
  if (node.expressions.size() != input.columns.size()) return false;
  for (size_t i = 0; i < node.expressions.size(); ++i)
    if (node.expressions[i].column() != i) return false;
  return true;
}

void drop_identities(Plan& plan) {
  for (Node& node : plan.nodes) {
    for (Input& input : base_of(node).inputs) {
      while (auto* project = std::get_if<ProjectNode>(&plan.nodes[input.node.value])) {
        if (!is_identity(*project, base_of(plan.nodes[project->inputs[0].node.value]).output)) break;
        input = project->inputs[0];
      }
    }
  }
}

// ---- Columns ----

void need(Columns& set, const Expr& expression) {
  if (expression.empty()) return;
  for (size_t column : expression.columns()) set.insert(column);
}

void need_all(Columns& set, size_t count) {
  for (size_t i = 0; i < count; ++i) set.insert(i);
}

/// A row that is taken back is found by what names it.
void need_row_names(Columns& set, const Output& output) {
  if (output.changelog == Changelog::append) return;
  set.insert(output.key.begin(), output.key.end());
  if (output.key.empty()) need_all(set, output.columns.size());
}

/// Which columns of each input a node reads, given which of its own are wanted.
std::vector<Columns> reads(const Node& node, const Columns& wanted, const Plan& plan) {
  std::vector<Columns> out(base_of(node).inputs.size());
  auto width_of = [&](size_t input) { return base_of(plan[base_of(node).inputs[input].node]).output.columns.size(); };
  auto all = [&] {
    for (size_t i = 0; i < out.size(); ++i) need_all(out[i], width_of(i));
  };
  /// Of a join: what is wanted of both sides side by side, its condition and its keys.
  auto read_sides = [&](const Expr& condition, const std::vector<size_t>& left_keys,
                        const std::vector<size_t>& right_keys) {
    const size_t left = width_of(0);
    Columns both = wanted;
    need(both, condition);
    for (size_t column : both) column < left ? out[0].insert(column) : out[1].insert(column - left);
    out[0].insert(left_keys.begin(), left_keys.end());
    out[1].insert(right_keys.begin(), right_keys.end());
  };
  std::visit(overloaded{[&](const SourceNode&) {},
                        [&](const NormalizeNode& n) {
                          out[0] = wanted;
                          out[0].insert(n.key.begin(), n.key.end());
                        },
                        [&](const FilterNode& n) {
                          out[0] = wanted;
                          need(out[0], n.predicate);
                        },
                        [&](const TemporalFilterNode& n) {
                          out[0] = wanted;
                          for (const ClockBound& bound : n.bounds) need(out[0], bound.time);
                        },
                        [&](const ProjectNode& n) {
                          for (size_t column : wanted) need(out[0], n.expressions[column]);
                        },
                        [&](const WindowAssignNode& n) {
                          if (!n.late_name.empty()) return all();  // A late row is shown whole.
                          const size_t width = n.output.columns.size() - 3;
                          for (size_t column : wanted)
                            if (column < width) out[0].insert(column);
                          out[0].insert(n.window.time_column);
                          out[0].insert(n.window.keys.begin(), n.window.keys.end());
                        },
                        [&](const WindowAggregateNode& n) {
                          if (n.assign)
                            out[0].insert(n.assign->time_column);
                          else
                            out[0].insert({n.window_start, n.window_end});
                          out[0].insert(n.groups.begin(), n.groups.end());
                          for (const Aggregate& a : n.aggregates) {
                            out[0].insert(a.arguments.begin(), a.arguments.end());
                            if (a.filter) out[0].insert(*a.filter);
                          }
                        },
                        [&](const LookupJoinNode& n) { read_sides(n.residual, n.left_keys, n.right_keys); },
                        [&](const AsofJoinNode& n) {
                          size_t left = width_of(0);
                          for (size_t column : wanted)
                            column < left ? out[0].insert(column) : out[1].insert(column - left);
                          out[0].insert(n.left_keys.begin(), n.left_keys.end());
                          out[1].insert(n.right_keys.begin(), n.right_keys.end());
                          out[0].insert(n.left_order);
                          out[1].insert(n.right_order);
                        },
                        [&](const JoinNode& n) {
                          const size_t left = width_of(0);
                          Columns both = wanted;
                          need(both, n.residual);
                          for (size_t column : both)
                            column < left ? out[0].insert(column) : out[1].insert(column - left);
                          for (size_t i = 0; i < 2; ++i) {
                            const JoinSide& side = i == 0 ? n.left : n.right;
                            out[i].insert(side.keys.begin(), side.keys.end());
                            if (side.expiry) out[i].insert(side.expiry->column);
                            if (side.promise) out[i].insert(side.promise->column);
                          }
                        },
                        [&](const OverNode& n) {
                          for (size_t column : wanted)
                            if (column < width_of(0)) out[0].insert(column);
                          out[0].insert(n.partition.begin(), n.partition.end());
                          for (const OrderColumn& item : n.order) out[0].insert(item.column);
                          for (const OverFunction& function : n.functions) {
                            out[0].insert(function.arguments.begin(), function.arguments.end());
                            for (const OrderColumn& item : function.argument_order) out[0].insert(item.column);
                            if (function.filter) out[0].insert(*function.filter);
                          }
                          need_row_names(out[0], base_of(plan[n.inputs[0].node]).output);
                        },
                        [&](const TopNNode& n) {
                          out[0] = wanted;
                          if (n.rank_output) out[0].erase(width_of(0));
                          out[0].insert(n.partition.begin(), n.partition.end());
                          for (const OrderColumn& item : n.order) out[0].insert(item.column);
                          need_row_names(out[0], base_of(plan[n.inputs[0].node]).output);
                        },
                        [&](const MatchNode& n) {
                          out[0].insert(n.partition.begin(), n.partition.end());
                          out[0].insert(n.time_column);
                          if (n.sort_column) out[0].insert(*n.sort_column);
                          for (const MatchedVariable& variable : n.pattern)
                            if (variable.row_condition) out[0].insert(*variable.row_condition);
                          for (const PatternValue& value : n.read) out[0].insert(value.argument);
                          for (size_t column : wanted) out[0].insert(n.outputs[column].argument);
                        },
                        [&](const TemporalJoinNode& n) {
                          read_sides(n.residual, n.left_keys, n.right_keys);
                          out[0].insert(n.left_time);
                          out[1].insert(n.right_time);
                        },
                        [&](const ProcessingTimeJoinNode& n) { read_sides(n.residual, n.left_keys, n.right_keys); },
                        [&](const auto&) { all(); }},
             node);
  return out;
}

/// Nobody reads the rank: a row that changes its rank is the same row.
void drop_rank(TopNNode& node) {
  node.rank_output = false;
  node.output.columns.pop_back();
  if (node.limit == 1 && node.rank == TopNNode::Rank::row_number) return;
  node.output.key.clear();
  if (node.output.changelog == Changelog::upsert) node.output.changelog = Changelog::retract;
}

/// True for a declared column that a source reads whether or not a query does: its key, and what may not be NULL.
bool is_checked(const SourceNode& source, size_t declared) {
  return !source.declared[declared].nullable ||
         std::count(source.primary_key.begin(), source.primary_key.end(), declared) > 0;
}

/// Narrows sources and projections to the columns that are read; every node above is told where its columns went.
/// `wanted`: what is read by node, beside what other nodes read.
void prune(Plan& plan, std::vector<Columns> wanted, bool keep_one) {
  const size_t count = plan.nodes.size();
  for (size_t at = count; at-- > 0;) {
    const Node& node = plan.nodes[at];
    const NodeBase& base = base_of(node);
    std::vector<Columns> read = reads(node, wanted[at], plan);
    for (size_t i = 0; i < read.size(); ++i) wanted[base.inputs[i].node.value].insert(read[i].begin(), read[i].end());
    if (auto* source = std::get_if<SourceNode>(&node)) {
      if (source->watermark) {
        wanted[at].insert(source->watermark->column);
        need(wanted[at], source->watermark->expression);
      }
      for (const BoundExpectation& expectation : source->expectations) need(wanted[at], expectation.violation);
      for (size_t column = 0; column < source->delivered.size(); ++column)
        if (is_checked(*source, source->delivered[column])) wanted[at].insert(column);
    }
    if (keep_one && wanted[at].empty() && !base.output.columns.empty()) wanted[at].insert(0);
  }
  // places[n][i]: where column i of node n went.
  std::vector<std::vector<size_t>> places(count);
  for (size_t at = 0; at < count; ++at) {
    Node& node = plan.nodes[at];
    NodeBase& base = base_of(node);
    const size_t width = base.output.columns.size();
    places[at].resize(width);
    std::iota(places[at].begin(), places[at].end(), 0);
    std::vector<std::vector<size_t>> in;
    for (const Input& input : base.inputs) in.push_back(places[input.node.value]);
    auto narrow = [&](const Columns& columns) {
      std::vector<Column> kept;
      for (size_t column : columns) {
        places[at][column] = kept.size();
        kept.push_back(base.output.columns[column]);
      }
      base.output.columns = std::move(kept);
      std::vector<size_t> key;
      for (size_t column : base.output.key)
        if (columns.count(column)) key.push_back(places[at][column]);
      if (key.size() != base.output.key.size()) key.clear();
      base.output.key = std::move(key);
    };
    auto follow = [&](std::vector<size_t>& columns, size_t input) {
      for (size_t& column : columns) column = in[input][column];
    };
    /// A node that passes its input's columns on has just those that its input still has.
    auto pass_on = [&](size_t extra) {
      std::vector<Column> columns = base_of(plan.nodes[base.inputs[0].node.value]).output.columns;
      size_t kept = columns.size();
      for (size_t i = 0; i < extra; ++i) columns.push_back(base.output.columns[width - extra + i]);
      for (size_t i = 0; i < width - extra; ++i) places[at][i] = in[0][i];
      for (size_t i = 0; i < extra; ++i) places[at][width - extra + i] = kept + i;
      base.output.columns = std::move(columns);
      std::vector<size_t> key;
      for (size_t column : base.output.key)
        if (column >= width - extra || wanted[base.inputs[0].node.value].count(column))
          key.push_back(places[at][column]);
      if (key.size() != base.output.key.size()) {
        key.clear();
        if (base.output.changelog == Changelog::upsert) base.output.changelog = Changelog::retract;
      }
      base.output.key = std::move(key);
    };
    /// A join has the columns that its stream still has, then those of its table.
    auto put_side_by_side = [&] {
      std::vector<Column> columns = base_of(plan.nodes[base.inputs[0].node.value]).output.columns;
      for (size_t i = 0; i < in[0].size(); ++i) places[at][i] = in[0][i];
      for (size_t i = 0; i < in[1].size(); ++i) places[at][in[0].size() + i] = columns.size() + in[1][i];
      for (Column column : base_of(plan.nodes[base.inputs[1].node.value]).output.columns) {
        column.role = TimeRole::none;
        columns.push_back(column);
      }
      base.output.columns = std::move(columns);
    };
    std::visit(overloaded{[&](SourceNode& n) {
                            std::vector<size_t> delivered;
                            for (size_t column : wanted[at]) delivered.push_back(n.delivered[column]);
                            narrow(wanted[at]);
                            if (n.watermark) {
                              n.watermark->expression = n.watermark->expression.remap(places[at]);
                              n.watermark->column = places[at][n.watermark->column];
                            }
                            for (BoundExpectation& e : n.expectations) e.violation = e.violation.remap(places[at]);
                            n.delivered = std::move(delivered);
                          },
                          [&](NormalizeNode& n) {
                            follow(n.key, 0);
                            pass_on(0);
                          },
                          [&](FilterNode& n) {
                            n.predicate = n.predicate.remap(in[0]);
                            pass_on(0);
                          },
                          [&](TemporalFilterNode& n) {
                            for (ClockBound& bound : n.bounds) bound.time = bound.time.remap(in[0]);
                            pass_on(0);
                            for (Column& column : n.output.columns) column.role = TimeRole::none;
                          },
                          [&](ProjectNode& n) {
                            std::vector<Expr> expressions;
                            for (size_t column : wanted[at]) expressions.push_back(n.expressions[column].remap(in[0]));
                            narrow(wanted[at]);
                            n.expressions = std::move(expressions);
                          },
                          [&](WindowAssignNode& n) {
                            n.window.time_column = in[0][n.window.time_column];
                            follow(n.window.keys, 0);
                            pass_on(3);
                          },
                          [&](LateFilterNode& n) {
                            n.window.time_column = in[0][n.window.time_column];
                            pass_on(0);
                          },
                          [&](WindowAggregateNode& n) {
                            if (n.assign) n.assign->time_column = in[0][n.assign->time_column];
                            n.window_start = n.assign ? 0 : in[0][n.window_start];
                            n.window_end = n.assign ? 0 : in[0][n.window_end];
                            follow(n.groups, 0);
                            for (Aggregate& a : n.aggregates) {
                              follow(a.arguments, 0);
                              if (a.filter) a.filter = in[0][*a.filter];
                            }
                          },
                          [&](LookupJoinNode& n) {
                            put_side_by_side();
                            follow(n.left_keys, 0);
                            follow(n.right_keys, 1);
                            if (!n.residual.empty()) n.residual = n.residual.remap(places[at]);
                          },
                          [&](AsofJoinNode& n) {
                            put_side_by_side();
                            follow(n.left_keys, 0);
                            follow(n.right_keys, 1);
                            n.left_order = in[0][n.left_order];
                            n.right_order = in[1][n.right_order];
                          },
                          [&](JoinNode& n) {
                            std::vector<size_t> beside = in[0];
                            const size_t left = base_of(plan.nodes[base.inputs[0].node.value]).output.columns.size();
                            for (size_t column : in[1]) beside.push_back(left + column);
                            if (!n.residual.empty()) n.residual = n.residual.remap(beside);
                            std::vector<Column> columns;
                            for (size_t i = 0; i < (width > in[0].size() ? 2u : 1u); ++i)
                              for (Column column : base_of(plan.nodes[base.inputs[i].node.value]).output.columns) {
                                column.role = TimeRole::none;
                                columns.push_back(std::move(column));
                              }
                            for (size_t column : wanted[at]) columns[beside[column]] = base.output.columns[column];
                            std::copy_n(beside.begin(), width, places[at].begin());
                            std::vector<size_t> key;
                            for (size_t column : base.output.key)
                              if (wanted[at].count(column)) key.push_back(beside[column]);
                            base.output.key = key.size() == base.output.key.size() ? key : std::vector<size_t>{};
                            base.output.columns = std::move(columns);
                            for (size_t i = 0; i < 2; ++i) {
                              JoinSide& side = i == 0 ? n.left : n.right;
                              follow(side.keys, i);
                              if (side.expiry) side.expiry->column = in[i][side.expiry->column];
                              if (side.promise) side.promise->column = in[i][side.promise->column];
                            }
                          },
                          [&](OverNode& n) {
                            pass_on(n.functions.size());
                            follow(n.partition, 0);
                            for (OrderColumn& item : n.order) item.column = in[0][item.column];
                            for (OverFunction& function : n.functions) {
                              follow(function.arguments, 0);
                              for (OrderColumn& item : function.argument_order) item.column = in[0][item.column];
                              if (function.filter) function.filter = in[0][*function.filter];
                            }
                            if (n.time) n.time = in[0][*n.time];
                          },
                          [&](TopNNode& n) {
                            const bool unread = n.rank_output && wanted[at].count(width - 1) == 0;
                            pass_on(n.rank_output ? 1 : 0);
                            follow(n.partition, 0);
                            for (OrderColumn& item : n.order) item.column = in[0][item.column];
                            if (n.window_end) n.window_end = in[0][*n.window_end];
                            if (unread) drop_rank(n);
                          },
                          [&](MatchNode& n) {
                            std::vector<PatternValue> outputs;
                            for (size_t column : wanted[at]) outputs.push_back(n.outputs[column]);
                            narrow(wanted[at]);
                            n.outputs = std::move(outputs);
                            follow(n.partition, 0);
                            n.time_column = in[0][n.time_column];
                            if (n.sort_column) n.sort_column = in[0][*n.sort_column];
                            for (MatchedVariable& variable : n.pattern)
                              if (variable.row_condition) variable.row_condition = in[0][*variable.row_condition];
                            for (PatternValue& value : n.read) value.argument = in[0][value.argument];
                            for (PatternValue& value : n.outputs) value.argument = in[0][value.argument];
                          },
                          [&](TemporalJoinNode& n) {
                            put_side_by_side();
                            follow(n.left_keys, 0);
                            follow(n.right_keys, 1);
                            n.left_time = in[0][n.left_time];
                            n.right_time = in[1][n.right_time];
                            n.left_width = base_of(plan.nodes[n.inputs[0].node.value]).output.columns.size();
                            for (size_t& column : n.output.key) column = places[at][column];
                            if (!n.residual.empty()) n.residual = n.residual.remap(places[at]);
                          },
                          [&](ProcessingTimeJoinNode& n) {
                            put_side_by_side();
                            follow(n.left_keys, 0);
                            follow(n.right_keys, 1);
                            n.left_width = base_of(plan.nodes[n.inputs[0].node.value]).output.columns.size();
                            if (!n.residual.empty()) n.residual = n.residual.remap(places[at]);
                          },
                          [&](auto&) {}},
               node);
  }
}

// ---- Nodes ----

/// Removes nodes from which no view, sink or alert is reached, and numbers the rest again.
void remove_unread(Plan& plan) {
  std::vector<bool> live(plan.nodes.size());
  // A source whose rows are all looked up in is read as a table only.
  std::set<std::string> tables;
  for (const Node& node : plan.nodes)
    if (auto* source = std::get_if<SourceNode>(&node); source && source->is_static) tables.insert(source->name);
  auto has_to_be_read = [&](const Node& node) {
    auto* source = std::get_if<SourceNode>(&node);
    return source != nullptr && (source->is_static || !tables.count(source->name));
  };
  for (size_t at = plan.nodes.size(); at-- > 0;) {
    const Node& node = plan.nodes[at];
    live[at] = live[at] || std::holds_alternative<ViewNode>(node) || std::holds_alternative<SinkNode>(node) ||
               std::holds_alternative<AlertNode>(node) || has_to_be_read(node);
    if (live[at] && !std::holds_alternative<LateNode>(node))
      for (const Input& input : base_of(node).inputs) live[input.node.value] = true;
  }
  // Windows that nobody reads make no row late.
  for (Node& node : plan.nodes)
    if (std::holds_alternative<LateNode>(node))
      std::erase_if(base_of(node).inputs, [&](const Input& input) { return !live[input.node.value]; });
  std::vector<uint32_t> number(plan.nodes.size());
  std::vector<Node> kept;
  for (size_t at = 0; at < plan.nodes.size(); ++at) {
    if (!live[at]) continue;
    number[at] = static_cast<uint32_t>(kept.size());
    kept.push_back(std::move(plan.nodes[at]));
    NodeBase& base = base_of(kept.back());
    base.id = NodeId{number[at]};
    for (Input& input : base.inputs) input.node = NodeId{number[input.node.value]};
  }
  plan.nodes = std::move(kept);
}

}  // namespace

Plan optimize(Plan plan) {
  fuse_windows(plan);
  merge_projections(plan);
  drop_identities(plan);
  remove_unread(plan);
  prune(plan, std::vector<Columns>(plan.nodes.size()), true);
  drop_identities(plan);
  remove_unread(plan);
  return plan;
}

Plan without_unread(Plan plan) {
  remove_unread(plan);
  return plan;
}

Plan narrowed(Plan plan, bool all_of_last) {
  std::vector<Columns> wanted(plan.nodes.size());
  if (all_of_last) need_all(wanted.back(), base_of(plan.nodes.back()).output.columns.size());
  prune(plan, std::move(wanted), false);
  drop_identities(plan);
  return plan;
}

}  // namespace headrace
