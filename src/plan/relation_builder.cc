#include "plan/relation_builder.h"

#include <algorithm>
#include <numeric>

#include "base/text.h"
#include "duck/conjunction.h"
#include "plan/aggregates.h"

namespace headrace {
namespace {

using Kind = BoundRelation::Kind;
using Condition = BoundRelation::Condition;

/// Where each input column stands among `expressions`, or nullopt.
std::optional<size_t> place_of(const std::vector<Expr>& expressions, size_t column) {
  for (size_t i = 0; i < expressions.size(); ++i)
    if (expressions[i].column() == column) return i;
  return std::nullopt;
}

/// True when some of these columns tell one window from all others.
bool name_window(const std::vector<const Column*>& columns) {
  bool alone = false, start = false, end = false;
  for (const Column* column : columns) {
    alone = alone || column->names_window;
    start = start || column->role == TimeRole::window_start;
    end = end || column->role == TimeRole::window_end || column->role == TimeRole::window_time;
  }
  return alone || (start && end);
}

/// The key's columns after a projection, or none when one of them is gone. Of a window's columns as many must stay as
/// name it.
std::vector<size_t> moved_key(const Output& in, const std::vector<Expr>& expressions) {
  std::vector<size_t> out;
  std::vector<const Column*> kept;
  bool window_wanted = false;
  for (size_t column : in.key) {
    std::optional<size_t> place = place_of(expressions, column);
    const bool window = is_window(in.columns[column].role);
    window_wanted = window_wanted || window;
    if (place)
      out.push_back(*place);
    else if (!window)
      return {};
    if (place && window) kept.push_back(&in.columns[column]);
  }
  return window_wanted && !name_window(kept) ? std::vector<size_t>{} : out;
}

/// What UNION ALL keeps of a column's meaning: what both have. Windows of different lengths need all their columns.
void join_columns(Column& one, const Column& other) {
  if (one.role != other.role) one.role = TimeRole::none;
  one.names_window = one.names_window && other.names_window && one.window_ms == other.window_ms;
  one.window_ms = one.window_ms == 0 || other.window_ms == 0 ? 0 : std::max(one.window_ms, other.window_ms);
}

WindowSpec spec_of(const BoundRelation& relation, size_t time_column) {
  WindowSpec out;
  out.kind = relation.window;
  out.time_column = time_column;
  const std::vector<int64_t>& ms = relation.window_ms;
  switch (relation.window) {
    case WindowKind::tumble:
      out.size_ms = out.slide_ms = ms[0];
      out.offset_ms = ms[1];
      break;
    case WindowKind::hop:
    case WindowKind::cumulate:
      out.slide_ms = ms[0];
      out.size_ms = ms[1];
      out.offset_ms = ms[2];
      break;
    case WindowKind::session:
      out.size_ms = ms[0];
      break;
  }
  return out;
}

std::vector<std::string> names_of(const BoundRelation& relation) {
  std::vector<std::string> out;
  for (const BoundColumn& column : relation.columns) out.push_back(column.name);
  return out;
}

/// True for an aggregation without groups and for a query without FROM, maybe projected.
bool gives_one_row(const Plan& plan, Input input) {
  const Node& node = plan[input.node];
  if (auto* aggregate = std::get_if<AggregateNode>(&node)) return aggregate->groups.empty();
  if (auto* source = std::get_if<SourceNode>(&node)) return source->name == one_row_name;
  return std::holds_alternative<ProjectNode>(node) && gives_one_row(plan, base_of(node).inputs[0]);
}

/// True when ORDER BY names the arguments themselves, from the first on.
bool sorts_by_arguments(const AggregateCall& call) {
  return call.order.size() <= call.arguments.size() &&
         std::equal(call.order.begin(), call.order.end(), call.arguments.begin(),
                    [](const SortKey& order, const Expr& argument) { return order.by.json() == argument.json(); });
}

std::string window_text(const BoundRelation& relation) {
  static constexpr const char* names[] = {"TUMBLE", "HOP", "CUMULATE", "SESSION"};
  std::string out = std::string(names[static_cast<int>(relation.window)]) + "(" + relation.time_column;
  for (int64_t ms : relation.window_ms) out += ", " + std::to_string(ms) + " ms";
  return out + ")";
}

/// How often the CTE `name` is read in `relation`.
size_t uses_of(const std::string& name, const BoundRelation& relation) {
  size_t uses = relation.kind == Kind::cte_ref && relation.relation == name ? 1 : 0;
  for (const auto& input : relation.inputs) uses += uses_of(name, *input);
  return uses;
}

}  // namespace

void RelationBuilder::begin(const std::string& name, const Location& at, const EmitText& emit) {
  ctes_.clear();
  read_once_.clear();
  name_ = name;
  at_ = at;
  emit_ = emit;
}

void RelationBuilder::define(const std::string& name, Input from) {
  relations_[lower_case(name)] = from;
}

void RelationBuilder::define_query(const std::string& name, const Location& at, std::unique_ptr<BoundRelation> query) {
  queries_[lower_case(name)] = {name, at, std::move(query)};
}

void RelationBuilder::want_late(const std::string& name) {
  late_wanted_.insert(lower_case(name));
}

const Output& RelationBuilder::output_of(Input input) const {
  return base_of(plan_.nodes[input.node.value]).output;
}

Input RelationBuilder::project(Input input, const std::vector<Expr>& expressions,
                               const std::vector<std::string>& names) {
  ProjectNode node;
  const Output& in = output_of(input);
  node.inputs = {input};
  node.expressions = expressions;
  node.output = in;
  node.output.columns.clear();
  for (size_t i = 0; i < expressions.size(); ++i) {
    std::optional<size_t> column = expressions[i].column();
    Column out = column ? in.columns[*column] : Column{};
    out.name = names[i];
    out.type = expressions[i].type();
    node.output.columns.push_back(std::move(out));
    node.output.deterministic = node.output.deterministic && expressions[i].deterministic();
  }
  node.output.key = moved_key(in, expressions);
  if (in.changelog == Changelog::upsert && node.output.key.empty()) node.output.changelog = Changelog::retract;
  return add(std::move(node));
}

Input RelationBuilder::pick(Input input, const std::vector<size_t>& columns) {
  std::vector<Expr> expressions;
  std::vector<std::string> names;
  const Output& in = output_of(input);
  for (size_t column : columns) {
    expressions.push_back(Expr::reference(column, in.columns[column].type, in.columns[column].name));
    names.push_back(in.columns[column].name);
  }
  return project(input, expressions, names);
}

Input RelationBuilder::with_columns(Input input, const std::vector<Expr>& expressions, std::vector<size_t>& columns) {
  const Output& in = output_of(input);
  std::vector<Expr> all;
  std::vector<std::string> names;
  for (size_t i = 0; i < in.columns.size(); ++i) {
    all.push_back(Expr::reference(i, in.columns[i].type, in.columns[i].name));
    names.push_back(in.columns[i].name);
  }
  columns.clear();
  for (const Expr& expression : expressions) {
    std::optional<size_t> column = expression.column();
    // What is computed twice stands there once.
    for (size_t i = in.columns.size(); i < all.size() && !column; ++i)
      if (expression.deterministic() && all[i].json() == expression.json()) column = i;
    columns.push_back(column ? *column : all.size());
    if (column) continue;
    all.push_back(expression);
    names.push_back(expression.text());
  }
  return all.size() == in.columns.size() ? input : project(input, all, names);
}

Result<Input> RelationBuilder::build(const BoundRelation& relation) {
  switch (relation.kind) {
    case Kind::scan:
      return build_scan(relation);
    case Kind::late:
      return build_late(relation);
    case Kind::window:
      return build_window(relation);
    case Kind::filter:
      return build_where(relation, {});
    case Kind::project: {
      HEADRACE_ASSIGN(Input input, build(*relation.inputs[0]));
      return build_project(input, relation);
    }
    case Kind::aggregate:
      return build_aggregate(relation);
    case Kind::join:
    case Kind::cross:
      return build_join(relation, {});
    case Kind::asof_join:
      return build_asof(relation);
    case Kind::table_function:
      return unsupported(relation.relation + " stands without a row that it reads",
                         "write FROM t, LATERAL " + relation.relation + "(t.x)");
    case Kind::process:
      return build_process(relation);
    case Kind::union_all:
      return build_union(relation);
    case Kind::set_operation:
      return build_set_operation(relation);
    case Kind::unnest:
      return build_unnest(relation);
    case Kind::cte:
      return build_where(relation, {});
    case Kind::cte_ref:
      return build_cte_ref(relation, {});
    case Kind::delim_get:
      return delim_.back();
    case Kind::distinct:
      return build_distinct(relation);
    case Kind::distinct_on:
      return build_distinct_on(relation);
    case Kind::over:
      return build_over(relation, {});
    case Kind::limit:
      return build_limit(relation);
    case Kind::sort:  // A view is a set of rows: who reads it orders them.
      return build(*relation.inputs[0]);
    case Kind::one_row:
      return one_row();
    case Kind::match:
    case Kind::unsupported:
      break;
  }
  return unsupported(relation.relation + " is not supported in a pipeline",
                     "ask it in an ad-hoc query over the view (headrace sql)");
}

Result<Input> RelationBuilder::build_scan(const BoundRelation& relation) {
  HEADRACE_ASSIGN(const Input rows, rows_of(lower_case(relation.relation)));
  return pick(rows, relation.scan_columns);
}

/// The rows of a relation (lower case), for a statement with this EMIT.
Result<Input> RelationBuilder::rows_of(const std::string& name) {
  const auto found = relations_.find(name);
  if (found == relations_.end()) return user_error(Code::unknown_relation, "there is no source or view '" + name + "'");
  const auto query = queries_.find(name);
  if (emit_.is_default() || query == queries_.end()) return found->second;
  const auto known = named_.find({name, emit_});
  if (known != named_.end()) return known->second;
  HEADRACE_ASSIGN(const Input rows, build_named(query->second));
  named_[{name, emit_}] = rows;
  return rows;
}

/// Plans the query of a view once more, with what the statement that reads it says of time.
Result<Input> RelationBuilder::build_named(const NamedQuery& query) {
  const std::string reader = std::exchange(name_, query.name);
  const Location reader_at = std::exchange(at_, query.at);
  auto ctes = std::exchange(ctes_, {});
  auto read_once = std::exchange(read_once_, {});
  auto delim = std::exchange(delim_, {});
  Result<Input> rows = build(*query.relation);
  name_ = reader;
  at_ = reader_at;
  ctes_ = std::move(ctes);
  read_once_ = std::move(read_once);
  delim_ = std::move(delim);
  if (rows) return rows;
  Error error = std::move(rows).error();
  if (error.at.file.empty()) {
    error.at = query.at;
    error.message += "; so view '" + query.name + "' cannot be read with the EMIT of '" + reader + "'";
  }
  return error;
}

Input RelationBuilder::late_of(const std::string& name) {
  auto found = late_.find(name);
  if (found != late_.end()) return found->second;
  LateNode node;
  node.output = output_of(relations_.at(name));
  node.output.watermark = false;
  node.output.changelog = Changelog::append;
  for (Column& column : node.output.columns) column.role = TimeRole::none;
  node.output.columns.push_back({"late_operator", LogicalType::VARCHAR});
  node.output.columns.push_back({"late_watermark", LogicalType::TIMESTAMP});
  return late_[name] = add(std::move(node));
}

Result<Input> RelationBuilder::build_late(const BoundRelation& relation) {
  return pick(late_of(lower_case(relation.relation)), relation.scan_columns);
}

std::string RelationBuilder::late_source_of(const BoundRelation& relation) const {
  const BoundRelation* source = &relation;
  auto column_of = [&](size_t i) {
    return source->kind == Kind::scan ? source->scan_columns[i] : source->expressions[i].column();
  };
  for (;; source = source->inputs[0].get()) {
    if (source->kind != Kind::scan && source->kind != Kind::project) return "";
    for (size_t i = 0; i < source->columns.size(); ++i)
      if (column_of(i) != i) return "";
    if (source->kind == Kind::scan) break;
  }
  const std::string late = lower_case(source->relation);
  const bool whole =
      late_wanted_.count(late) && output_of(relations_.at(late)).columns.size() == relation.columns.size();
  return whole ? late : "";
}

Result<Input> RelationBuilder::split_late(Input input, const BoundRelation& relation, WindowSpec window,
                                          const std::string& name) {
  std::vector<const BoundRelation*> above;
  const BoundRelation* source = &relation;
  for (; source->kind == Kind::project; source = source->inputs[0].get()) {
    const std::optional<size_t> time = source->expressions[window.time_column].column();
    if (!time) return input;
    window.time_column = *time;
    above.push_back(source);
  }
  const std::string late = source->kind == Kind::scan ? lower_case(source->relation) : "";
  if (!late_wanted_.count(late)) return input;
  window.time_column = source->scan_columns[window.time_column];
  HEADRACE_ASSIGN(const Input rows, rows_of(late));
  LateFilterNode filter;
  filter.inputs = {rows};
  filter.output = output_of(rows);
  filter.window = std::move(window);
  filter.window_name = name;
  const Input split = add(std::move(filter));
  base_of(plan_.nodes[late_of(late).node.value]).inputs.push_back({split.node, 1});
  Input out = pick(split, source->scan_columns);
  for (auto project = above.rbegin(); project != above.rend(); ++project) {
    HEADRACE_ASSIGN(out, build_project(out, **project));
  }
  return out;
}

Result<Input> RelationBuilder::build_window(const BoundRelation& relation) {
  HEADRACE_ASSIGN(Input input, build(*relation.inputs[0]));
  const Output in = output_of(input);
  std::optional<size_t> time;
  for (size_t i = 0; i < in.columns.size(); ++i)
    if (same_name(in.columns[i].name, relation.time_column)) time = i;
  if (!time)
    return user_error(Code::unknown_column, "DESCRIPTOR names a column that is not there: " + relation.time_column);
  if (!in.watermark && follows_clock(input))
    return user_error(
               Code::missing_watermark,
               window_text(relation) + " reads rows that come and go by now(): no watermark tells when it is done")
        .with_remedy("put the condition on now() above the windows, or leave it out: windows end by event time");
  if (!in.watermark)
    return user_error(Code::missing_watermark, window_text(relation) + " reads an input without a watermark")
        .with_remedy("declare WATERMARK FOR " + relation.time_column + " AS " + relation.time_column +
                     " - INTERVAL '5' SECOND in the source; a MATCH_RECOGNIZE below needs WITHIN");
  TimeRole role = in.columns[*time].role;
  if (role != TimeRole::event_time && role != TimeRole::window_time)
    return user_error(Code::bad_time_column, "DESCRIPTOR(" + relation.time_column + ") is not an event-time column")
        .with_remedy("name the column of WATERMARK FOR, or window_time of a window below, unchanged");
  WindowSpec spec = spec_of(relation, *time);
  if (spec.kind == WindowKind::session) {
    HEADRACE_ASSIGN(spec.keys, session_keys(relation, in));
  }
  const std::string name = window_text(relation);
  std::string late;
  if (spec.kind == WindowKind::session) {
    late = late_source_of(*relation.inputs[0]);
  } else {
    HEADRACE_ASSIGN(input, split_late(input, *relation.inputs[0], spec, name));
  }
  return pick(add_window(input, std::move(spec), name, late), relation.scan_columns);
}

Input RelationBuilder::add_window(Input input, WindowSpec window, const std::string& window_name,
                                  const std::string& late_source) {
  const bool session = window.kind == WindowKind::session;
  WindowAssignNode node;
  const Output in = output_of(input);
  const bool changes = in.changelog != Changelog::append;
  node.inputs = {input};
  node.hold_at_end = emit_.holds_at_end();
  node.output = in;
  const LogicalType type = in.columns[window.time_column].type;
  // The rows of a session come when it has closed, long after their own time.
  for (Column& column : node.output.columns)
    if (session || column.role != TimeRole::event_time) column.role = TimeRole::none;
  // Sessions of different keys may begin or end together; windows that grow begin together.
  const int64_t length_ms = session ? 0 : window.size_ms;
  const bool fixed = window.kind == WindowKind::tumble || window.kind == WindowKind::hop;
  node.output.columns.push_back({"window_start", type, TimeRole::window_start, length_ms, fixed});
  node.output.columns.push_back({"window_end", type, TimeRole::window_end, length_ms, !session});
  node.output.columns.push_back({"window_time", type, TimeRole::window_time, length_ms, !session});
  if (!node.output.key.empty()) {
    node.output.key.push_back(in.columns.size());
    node.output.key.push_back(in.columns.size() + 1);
  }
  // A session is told when it can no longer change, unless what it has so far is wanted of rows that change.
  if (session) node.output.changelog = emit_.updates() && changes ? Changelog::retract : Changelog::append;
  node.window = std::move(window);
  if (session && !late_source.empty()) node.late_name = window_name;
  const Input out = add(std::move(node));
  if (session && !late_source.empty())
    base_of(plan_.nodes[late_of(late_source).node.value]).inputs.push_back({out.node, 1});
  return out;
}

/// A row that is taken back must be computed again as it was. Errors: nondeterministic.
Result<> RelationBuilder::check_repeatable(Input input, const std::vector<Expr>& expressions) const {
  if (output_of(input).changelog == Changelog::append) return {};
  for (const Expr& expression : expressions)
    if (!expression.deterministic())
      return user_error(Code::nondeterministic,
                        expression.text() + " may have another value when its row is taken back")
          .with_remedy("compute it in a view over rows that are only added");
  return {};
}

Result<Input> RelationBuilder::build_project(Input input, const BoundRelation& relation) {
  HEADRACE_TRY(check_repeatable(input, relation.expressions));
  return project(input, relation.expressions, names_of(relation));
}

/// The rows of a relation that meet all of `parts`. Conditions of an inner join are part of it: FROM a, b WHERE a.x =
/// b.y.
Result<Input> RelationBuilder::build_where(const BoundRelation& relation, const std::vector<Expr>& parts) {
  if (relation.kind == Kind::join && relation.join == JoinKind::mark) return build_mark(relation, parts);
  if (relation.kind == Kind::cte) {
    // What is read once stands where it is read, so that conditions on it reach what it is made of.
    if (uses_of(relation.relation, *relation.inputs[1]) == 1) {
      read_once_[relation.relation] = relation.inputs[0].get();
    } else {
      HEADRACE_ASSIGN(ctes_[relation.relation], build(*relation.inputs[0]));
    }
    return build_where(*relation.inputs[1], parts);
  }
  if (relation.kind == Kind::cte_ref) return build_cte_ref(relation, parts);
  if (relation.kind == Kind::filter && relation.inputs[0]->kind == Kind::match) {
    HEADRACE_ASSIGN(Input input, build_match(relation));
    return filter(input, parts);
  }
  if (relation.kind == Kind::filter) {
    std::vector<Expr> all = parts;
    for (const Expr& expression : relation.expressions)
      for (const Expr& part : conjuncts(expression)) all.push_back(part);
    return build_where(*relation.inputs[0], all);
  }
  if (relation.kind == Kind::cross || (relation.kind == Kind::join && relation.join == JoinKind::inner))
    return build_join(relation, parts);
  if (relation.kind == Kind::over) return build_over(relation, parts);
  if (relation.kind == Kind::project) {
    // Conditions on columns that are only passed on stand below the projection, where joins look for theirs.
    std::vector<Expr> below, above;
    for (const Expr& part : parts) {
      const std::vector<size_t> columns = part.columns();
      const bool plain = std::all_of(columns.begin(), columns.end(),
                                     [&](size_t column) { return relation.expressions[column].column().has_value(); });
      (plain ? below : above).push_back(plain ? part.compose(relation.expressions) : part);
    }
    HEADRACE_ASSIGN(Input input, build_where(*relation.inputs[0], below));
    HEADRACE_ASSIGN(Input projected, build_project(input, relation));
    return filter(projected, above);
  }
  HEADRACE_ASSIGN(Input input, build(relation));
  return filter(input, parts);
}

Result<Input> RelationBuilder::filter(Input input, const std::vector<Expr>& parts) {
  if (parts.empty()) return input;
  HEADRACE_TRY(refuse_time(parts));
  std::vector<Expr> plain;
  std::vector<ClockBound> bounds;
  for (const Expr& part : parts) {
    HEADRACE_ASSIGN(const std::vector<ClockBound> of_part, clock_bounds(part));
    if (of_part.empty()) plain.push_back(part);
    bounds.insert(bounds.end(), of_part.begin(), of_part.end());
  }
  if (!plain.empty()) {
    FilterNode node;
    node.inputs = {input};
    node.output = output_of(input);
    node.predicate = conjunction(plain);
    HEADRACE_TRY(check_repeatable(input, {node.predicate}));
    input = add(std::move(node));
  }
  return bounds.empty() ? input : temporal_filter(input, std::move(bounds));
}

Input RelationBuilder::temporal_filter(Input input, std::vector<ClockBound> bounds) {
  TemporalFilterNode node;
  node.inputs = {input};
  node.output = output_of(input);
  node.output.deterministic = false;
  // Rows come and go by the clock, long after the watermark has passed their time.
  node.output.watermark = false;
  for (Column& column : node.output.columns) column.role = TimeRole::none;
  const bool go = std::any_of(bounds.begin(), bounds.end(), [](const ClockBound& bound) { return bound.until; });
  if (go && node.output.changelog == Changelog::append)
    node.output.changelog = node.output.key.empty() ? Changelog::retract : Changelog::upsert;
  node.bounds = std::move(bounds);
  return add(std::move(node));
}

bool RelationBuilder::follows_clock(Input input) const {
  const Node& node = plan_.nodes[input.node.value];
  const std::vector<Input>& inputs = base_of(node).inputs;
  return std::holds_alternative<TemporalFilterNode>(node) ||
         std::any_of(inputs.begin(), inputs.end(), [&](Input below) { return follows_clock(below); });
}

/// The rows of a CTE that meet all of `parts`, its columns under the names that are given to it there.
Result<Input> RelationBuilder::build_cte_ref(const BoundRelation& relation, const std::vector<Expr>& parts) {
  auto once = read_once_.find(relation.relation);
  auto found = ctes_.find(relation.relation);
  if (once == read_once_.end() && found == ctes_.end())
    return unsupported("WITH RECURSIVE is not supported", "compute the steps in views, or in a process function");
  Input input;
  if (once != read_once_.end()) {
    HEADRACE_ASSIGN(input, build_where(*once->second, parts));
  } else {
    HEADRACE_ASSIGN(input, filter(found->second, parts));
  }
  std::vector<Expr> expressions;
  for (size_t i = 0; i < relation.columns.size(); ++i)
    expressions.push_back(Expr::reference(i, relation.columns[i].type, relation.columns[i].name));
  return project(input, expressions, names_of(relation));
}

Result<Input> RelationBuilder::build_set_operation(const BoundRelation& relation) {
  SetOperationNode node;
  node.except = relation.except;
  node.all = relation.all;
  for (const auto& child : relation.inputs) {
    HEADRACE_ASSIGN(Input input, build(*child));
    node.inputs.push_back(input);
    node.output.deterministic = node.output.deterministic && output_of(input).deterministic;
  }
  node.output.columns = output_of(node.inputs[0]).columns;
  for (Column& column : node.output.columns) column.role = TimeRole::none;
  node.output.changelog = Changelog::retract;
  return add(std::move(node));
}

Input RelationBuilder::one_row() {
  if (one_row_) return *one_row_;
  SourceNode node;
  node.connector = "generator";
  node.options = {{"rows", "1"}};
  node.declared = Schema({{"row", LogicalType::INTEGER}});
  node.delivered = {0};
  node.output.columns = {{"", LogicalType::INTEGER}};
  one_row_ = add(std::move(node));
  base_of(plan_.nodes[one_row_->node.value]).name = one_row_name;
  return *one_row_;
}

Result<Input> RelationBuilder::build_unnest(const BoundRelation& relation) {
  HEADRACE_ASSIGN(Input input, build(*relation.inputs[0]));
  return unnest(input, relation.expressions, relation);
}

/// `lists` over `input`; `relation` names their elements, its last columns.
Input RelationBuilder::unnest(Input input, const std::vector<Expr>& lists, const BoundRelation& relation) {
  UnnestNode node;
  node.inputs = {input};
  node.output = output_of(input);
  node.output.key.clear();
  if (node.output.changelog == Changelog::upsert) node.output.changelog = Changelog::retract;
  node.lists = lists;
  for (size_t i = relation.columns.size() - lists.size(); i < relation.columns.size(); ++i)
    node.output.columns.push_back({relation.columns[i].name, relation.columns[i].type});
  return add(std::move(node));
}

Result<Input> RelationBuilder::build_distinct(const BoundRelation& relation) {
  HEADRACE_ASSIGN(Input input, build(*relation.inputs[0]));
  return distinct(input);
}

Input RelationBuilder::distinct(Input input) {
  AggregateNode node;
  node.inputs = {input};
  node.output = output_of(input);
  node.groups.resize(node.output.columns.size());
  std::iota(node.groups.begin(), node.groups.end(), 0);
  node.output.key = node.groups;
  // Over rows that are only added, a value that came once stays: its row is never taken back.
  if (node.output.changelog != Changelog::append) node.output.changelog = Changelog::upsert;
  return add(std::move(node));
}

Output RelationBuilder::union_of(const std::vector<Input>& inputs) const {
  Output out = output_of(inputs[0]);
  for (Input input : inputs) {
    const Output& in = output_of(input);
    for (size_t i = 0; i < in.columns.size(); ++i) join_columns(out.columns[i], in.columns[i]);
    out.watermark = out.watermark && in.watermark;
    out.deterministic = out.deterministic && in.deterministic;
    if (in.changelog != Changelog::append || out.changelog != Changelog::append) out.changelog = Changelog::retract;
  }
  out.key.clear();
  return out;
}

Result<Input> RelationBuilder::build_union(const BoundRelation& relation) {
  UnionNode node;
  for (const auto& child : relation.inputs) {
    HEADRACE_ASSIGN(Input input, build(*child));
    node.inputs.push_back(input);
  }
  node.output = union_of(node.inputs);
  return add(std::move(node));
}

Result<Input> RelationBuilder::build_aggregate(const BoundRelation& relation) {
  HEADRACE_ASSIGN(Input input, build(*relation.inputs[0]));
  if (!relation.grouping_sets.empty()) return build_grouping_sets(input, relation);
  std::vector<size_t> all(relation.expressions.size());
  std::iota(all.begin(), all.end(), 0);
  return aggregate_by(input, relation, all);
}

Result<Input> RelationBuilder::aggregate_by(Input input, const BoundRelation& relation,
                                            const std::vector<size_t>& set) {
  const Output in = output_of(input);
  // Everything an aggregate reads becomes a column of a projection below it; equal expressions share one.
  std::vector<Expr> expressions;
  std::vector<std::string> names;
  auto column_for = [&](const Expr& expression) {
    for (size_t i = 0; i < expressions.size(); ++i)
      if (expressions[i].json() == expression.json()) return i;
    expressions.push_back(expression);
    names.push_back(expression.text());
    return expressions.size() - 1;
  };
  std::vector<size_t> groups;
  for (size_t group : set) groups.push_back(column_for(relation.expressions[group]));
  std::vector<Aggregate> aggregates;
  for (const AggregateCall& call : relation.aggregates) {
    Aggregate aggregate;
    aggregate.call = call;
    if (call.function == only_value) {
      if (!gives_one_row(plan_, input))
        return unsupported("a sub-query that stands for a value may give more than one row",
                           "aggregate it, as in (SELECT max(x) FROM t)");
      aggregate.call.function = "any_value";
    }
    auto users = functions_.find(lower_case(call.function));
    if (users != functions_.end()) {
      aggregate.function = users->second;
      HEADRACE_ASSIGN(aggregate.kind, aggregate_kind(call, users->second.description(), in.changelog));
    } else {
      HEADRACE_ASSIGN(aggregate.kind, aggregate_kind(aggregate.call, in.changelog));
    }
    if (aggregate.kind == AggregateKind::bag && !sorts_by_arguments(call)) {
      aggregate.sorted_by = call.order.size();
      for (const SortKey& order : call.order) aggregate.arguments.push_back(column_for(order.by));
    }
    for (const Expr& argument : call.arguments) aggregate.arguments.push_back(column_for(argument));
    aggregate.appends = in.changelog == Changelog::append;
    if (!call.filter.empty()) aggregate.filter = column_for(call.filter);
    aggregate.type = call.type;
    aggregates.push_back(std::move(aggregate));
  }
  // Groups that tell one window from all others make this a windowed aggregation.
  std::optional<size_t> end = in.watermark ? in.find_role(TimeRole::window_end) : std::nullopt;
  std::optional<size_t> start = in.find_role(TimeRole::window_start);
  auto column_of_group = [&](size_t i) -> const Column* {
    std::optional<size_t> column = relation.expressions[set[i]].column();
    return column && is_window(in.columns[*column].role) ? &in.columns[*column] : nullptr;
  };
  std::vector<const Column*> of_window;
  for (size_t i = 0; i < groups.size(); ++i)
    if (const Column* column = column_of_group(i)) of_window.push_back(column);
  const bool windowed = end && start && name_window(of_window);
  size_t end_column = 0, start_column = 0;
  if (windowed) {
    end_column = column_for(Expr::reference(*end, in.columns[*end].type, "window_end"));
    start_column = column_for(Expr::reference(*start, in.columns[*start].type, "window_start"));
  }
  HEADRACE_TRY(check_repeatable(input, expressions));
  Input below = project(input, expressions, names);

  Output out;
  out.deterministic = in.deterministic;
  for (size_t i = 0; i < groups.size(); ++i) {
    Column column = windowed && column_of_group(i) ? *column_of_group(i) : Column{};
    column.name = relation.columns[set[i]].name;
    column.type = relation.columns[set[i]].type;
    out.columns.push_back(std::move(column));
  }
  for (size_t i = 0; i < aggregates.size(); ++i) {
    const BoundColumn& column = relation.columns[relation.expressions.size() + i];
    out.columns.push_back({column.name, column.type});
  }
  out.key.resize(groups.size());
  std::iota(out.key.begin(), out.key.end(), 0);
  if (!windowed) {
    AggregateNode node;
    node.inputs = {below};
    node.groups = groups;
    node.aggregates = std::move(aggregates);
    node.emit_every_ms = emit_.every_ms;
    out.changelog = groups.empty() ? Changelog::retract : Changelog::upsert;
    if (node.aggregates.empty() && in.changelog == Changelog::append) out.changelog = Changelog::append;
    node.output = std::move(out);
    return add(std::move(node));
  }
  WindowAggregateNode node;
  node.inputs = {below};
  node.window_start = start_column;
  node.window_end = end_column;
  node.emit_updates = emit_.updates();
  node.emit_every_ms = emit_.every_ms;
  node.hold_at_end = emit_.holds_at_end();
  using OutputColumn = WindowAggregateNode::OutputColumn;
  for (size_t i = 0; i < groups.size(); ++i) {
    switch (column_of_group(i) ? column_of_group(i)->role : TimeRole::none) {
      case TimeRole::window_start:
        node.outputs.push_back({OutputColumn::From::window_start, 0});
        break;
      case TimeRole::window_end:
        node.outputs.push_back({OutputColumn::From::window_end, 0});
        break;
      case TimeRole::window_time:
        node.outputs.push_back({OutputColumn::From::window_time, 0});
        break;
      default:
        node.outputs.push_back({OutputColumn::From::group, node.groups.size()});
        node.groups.push_back(groups[i]);
    }
  }
  for (size_t i = 0; i < aggregates.size(); ++i) node.outputs.push_back({OutputColumn::From::aggregate, i});
  node.aggregates = std::move(aggregates);
  out.watermark = true;
  out.changelog = node.emit_updates ? Changelog::upsert : Changelog::append;
  node.output = std::move(out);
  return add(std::move(node));
}

}  // namespace headrace
