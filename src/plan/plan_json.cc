#include "plan/plan_json.h"

#include <fmt/format.h>

#include <functional>

#include "base/json_text.h"
#include "base/text.h"

namespace headrace {
namespace {

constexpr const char* role_words[] = {"none", "event_time", "window_start", "window_end", "window_time"};
constexpr const char* window_words[] = {"tumble", "hop", "cumulate", "session"};
constexpr const char* join_words[] = {"inner", "left", "right", "full", "semi", "anti", "mark", "single", "other"};
constexpr const char* comparison_words[] = {"=", "is not distinct from", "<", "<=", ">", ">=", "<>", "?"};
constexpr const char* keeps_words[] = {"all", "last_rows", "last_groups", "recent", "first_rows", "totals"};
constexpr const char* aggregate_words[] = {
    "count_star",     "count",   "sum_integer", "sum_decimal",  "sum_double",   "average",
    "average_double", "minimum", "maximum",     "minimum_text", "maximum_text", "count_distinct",
    "first",          "last",    "bag",         "function",     "accumulator"};

bool is_secret(const std::string& option) {
  const std::string name = lower_case(option);
  for (const char* word : {"password", "secret", "token", "webhook", "credential", "key_id", "access"})
    if (name.find(word) != std::string::npos) return true;
  return false;
}

std::string numbers(const std::vector<size_t>& columns) {
  return fmt::format("[{}]", fmt::join(columns, ","));
}

std::string options_json(const std::map<std::string, std::string>& options) {
  std::string out = "{";
  for (const auto& [key, value] : options) {
    if (out.size() > 1) out += ",";
    out += json_string(key) + ":" + json_string(is_secret(key) ? "***" : value);
  }
  return out + "}";
}

std::string expressions_json(const std::vector<Expr>& expressions) {
  std::string out = "[";
  for (const Expr& expression : expressions) out += (out.size() > 1 ? "," : "") + expression.json();
  return out + "]";
}

std::string window_json(const WindowSpec& window) {
  return fmt::format(
      "{{\"kind\":\"{}\",\"time_column\":{},\"size_ms\":{},\"slide_ms\":{},\"offset_ms\":{},\"keys\":{}}}",
      window_words[static_cast<int>(window.kind)], window.time_column, window.size_ms, window.slide_ms,
      window.offset_ms, numbers(window.keys));
}

std::string aggregates_json(const std::vector<Aggregate>& aggregates) {
  std::string out = "[";
  for (const Aggregate& a : aggregates) {
    if (out.size() > 1) out += ",";
    out += fmt::format(
        "{{\"state\":\"{}\",\"function\":{},\"distinct\":{},\"arguments\":{}{},\"filter\":{},\"type\":{}{}}}",
        aggregate_words[static_cast<int>(a.kind)], json_string(a.call.function), a.call.distinct, numbers(a.arguments),
        a.sorted_by > 0 ? fmt::format(",\"sorted_by\":{}", a.sorted_by) : "",
        a.filter ? std::to_string(*a.filter) : "null", json_string(a.type.ToString()),
        a.function.host ? ",\"hash\":" + json_string(a.function.description().hash) : "");
  }
  return out + "]";
}

std::string side_json(const JoinSide& side) {
  std::string expiry = "null";
  if (side.expiry) expiry = fmt::format("{{\"column\":{},\"keep_ms\":{}}}", side.expiry->column, side.expiry->keep_ms);
  return fmt::format("{{\"keys\":{},\"expiry\":{}}}", numbers(side.keys), expiry);
}

std::string order_json(const std::vector<OrderColumn>& order) {
  std::string out = "[";
  for (const OrderColumn& item : order)
    out += fmt::format("{}{{\"column\":{},\"descending\":{},\"nulls_first\":{}}}", out.size() > 1 ? "," : "",
                       item.column, item.descending, item.nulls_first);
  return out + "]";
}

std::string names_of(const std::vector<size_t>& columns, const Output& output) {
  std::string out;
  for (size_t column : columns) out += (out.empty() ? "" : ", ") + output.columns[column].name;
  return out;
}

std::string order_text(const std::vector<OrderColumn>& order, size_t count, const Output& output) {
  std::string out;
  for (size_t i = 0; i < count; ++i)
    out += (i ? ", " : "") + output.columns[order[i].column].name + (order[i].descending ? " desc" : "") +
           (order[i].nulls_first ? " nulls first" : "");
  return out;
}

std::string top_n_text(const TopNNode& n) {
  std::string out =
      fmt::format("{} {} to {}", n.rank == TopNNode::Rank::rank ? "rank" : "row", n.offset + 1, n.offset + n.limit);
  if (!n.partition.empty()) out += " of each " + names_of(n.partition, n.output);
  if (n.order_written > 0) out += " by " + order_text(n.order, n.order_written, n.output);
  out += n.keeps_all_rows ? "; every row is kept" : fmt::format("; {} rows are kept per partition", n.offset + n.limit);
  return out + (n.window_end ? " until the watermark passes the window's end" : ", without bound");
}

std::string values_json(const MatchNode& node, const std::vector<PatternValue>& values) {
  constexpr const char* words[] = {"first", "last", "aggregate"};
  std::string out = "[";
  for (const PatternValue& value : values)
    out +=
        fmt::format("{}{{\"read\":\"{}\",\"function\":{},\"variable\":{},\"argument\":{},\"offset\":{},\"type\":{}}}",
                    out.size() > 1 ? "," : "", words[static_cast<int>(value.kind)], json_string(value.function),
                    value.variable ? json_string(node.pattern[*value.variable].name) : "null", value.argument,
                    value.offset, json_string(value.type.ToString()));
  return out + "]";
}

std::string match_members(const MatchNode& n) {
  constexpr const char* after_words[] = {"past_last_row", "to_next_row", "to_first", "to_last"};
  std::string pattern = "[";
  for (const MatchedVariable& variable : n.pattern)
    pattern += fmt::format(
        "{}{{\"variable\":{},\"min\":{},\"max\":{},\"reluctant\":{},\"row_condition\":{},\"condition\":{}}}",
        pattern.size() > 1 ? "," : "", json_string(variable.name), variable.min,
        variable.max == unbounded_rows ? "null" : std::to_string(variable.max), variable.reluctant,
        variable.row_condition ? std::to_string(*variable.row_condition) : "null",
        variable.condition.empty() ? "null" : variable.condition.json());
  const bool to_variable = n.after == AfterMatch::to_first || n.after == AfterMatch::to_last;
  return fmt::format(
      ",\"partition\":{},\"time_column\":{},\"sort_column\":{},\"pattern\":{}],\"after\":\"{}\",\"after_variable\":{},"
      "\"within_ms\":{},\"read\":{},\"outputs\":{},\"hold_at_end\":{}",
      numbers(n.partition), n.time_column, n.sort_column ? std::to_string(*n.sort_column) : "null", pattern,
      after_words[static_cast<int>(n.after)], to_variable ? json_string(n.pattern[n.after_variable].name) : "null",
      n.within_ms, values_json(n, n.read), values_json(n, n.outputs), n.hold_at_end);
}

std::string pattern_text(const MatchNode& n) {
  std::string out;
  for (const MatchedVariable& v : n.pattern) {
    out += (out.empty() ? "" : " ") + v.name;
    if (v.min == 1 && v.max == 1) continue;
    out += v.max == unbounded_rows ? fmt::format("{{{},}}", v.min) : fmt::format("{{{},{}}}", v.min, v.max);
    if (v.reluctant) out += "?";
  }
  return out;
}

std::string function_json(const OverFunction& f) {
  return fmt::format("{{\"function\":{},\"arguments\":{},\"filter\":{},\"text\":{},\"type\":{}}}",
                     json_string(f.call.function), numbers(f.arguments), f.filter ? std::to_string(*f.filter) : "null",
                     json_string(f.call.text), json_string(f.call.type.ToString()));
}

std::string over_text(const OverNode& n) {
  std::string out;
  for (const OverFunction& f : n.functions) out += (out.empty() ? "" : ", ") + f.call.text;
  if (!n.time) return out + "; results change; every row is kept, without bound";
  out += "; given once, when the watermark reaches the row";
  switch (n.keeps) {
    case OverNode::Keeps::all:
      return out + "; every row is kept, without bound";
    case OverNode::Keeps::last_rows:
      return out + fmt::format("; then the last {} rows of each partition are kept", n.kept);
    case OverNode::Keeps::last_groups:
      return out + fmt::format("; then the rows of the last {} times of each partition are kept", n.kept);
    case OverNode::Keeps::recent:
      return out + fmt::format("; then rows are kept for {} ms", n.kept / 1000);
    case OverNode::Keeps::first_rows:
      return out + fmt::format("; then the first {} rows of each partition are kept", n.kept);
    case OverNode::Keeps::totals:
      return out + "; then a total of each partition is kept, without bound";
  }
  return out;
}

std::string bounds_json(const std::vector<ClockBound>& bounds) {
  std::string out = "[";
  for (const ClockBound& bound : bounds)
    out += fmt::format("{}{{\"until\":{},\"time\":{},\"shift_us\":{},\"granule_us\":{}}}", out.size() > 1 ? "," : "",
                       bound.until, bound.time.json(), bound.shift_us, bound.granule_us);
  return out + "]";
}

std::string length_text(int64_t us) {
  return us % 1'000'000 == 0 ? fmt::format("{} s", us / 1'000'000) : fmt::format("{} us", us);
}

std::string bounds_text(const std::vector<ClockBound>& bounds) {
  std::string out;
  bool leaves = false;
  for (const ClockBound& bound : bounds) {
    std::string moment = bound.time.text();
    if (bound.shift_us != 0)
      moment += fmt::format(" {} {}", bound.shift_us < 0 ? "-" : "+", length_text(std::abs(bound.shift_us)));
    if (bound.granule_us > 1) moment = fmt::format("({}, rounded up to {})", moment, length_text(bound.granule_us));
    out += (out.empty() ? "now() " : " and now() ") + std::string(bound.until ? "< " : ">= ") + moment;
    leaves = leaves || bound.until;
  }
  return out + (leaves ? "; a row is kept until it leaves" : "; a row is kept until it comes in");
}

std::string function_members(const UserFunction& function) {
  const FunctionDescription& description = function.description();
  return ",\"function\":" + json_string(description.name) + ",\"hash\":" + json_string(description.hash);
}

}  // namespace

std::string node_members(const Node& node) {
  return std::visit(
      overloaded{
          [](const SourceNode& n) {
            return fmt::format(
                ",\"connector\":{},\"options\":{},\"delivered\":{},\"watermark\":{},\"static\":{},\"expectations\":{}",
                json_string(n.connector), options_json(n.options), numbers(n.delivered),
                n.watermark ? n.watermark->expression.json() : "null", n.is_static, n.expectations.size());
          },
          [](const NormalizeNode& n) { return ",\"by\":" + numbers(n.key); },
          [](const FilterNode& n) { return ",\"predicate\":" + n.predicate.json(); },
          [](const TemporalFilterNode& n) { return ",\"bounds\":" + bounds_json(n.bounds); },
          [](const ProjectNode& n) { return ",\"expressions\":" + expressions_json(n.expressions); },
          [](const WindowAssignNode& n) {
            return ",\"window\":" + window_json(n.window) + fmt::format(",\"hold_at_end\":{}", n.hold_at_end);
          },
          [](const LateFilterNode& n) { return ",\"window\":" + window_json(n.window); },
          [](const AggregateNode& n) {
            return ",\"groups\":" + numbers(n.groups) + ",\"aggregates\":" + aggregates_json(n.aggregates) +
                   fmt::format(",\"emit_every_ms\":{}", n.emit_every_ms);
          },
          [](const WindowAggregateNode& n) {
            std::string window =
                n.assign ? window_json(*n.assign)
                         : fmt::format("{{\"start_column\":{},\"end_column\":{}}}", n.window_start, n.window_end);
            return ",\"window\":" + window + ",\"groups\":" + numbers(n.groups) +
                   ",\"aggregates\":" + aggregates_json(n.aggregates) +
                   fmt::format(",\"emit_updates\":{},\"emit_every_ms\":{},\"hold_at_end\":{}", n.emit_updates,
                               n.emit_every_ms, n.hold_at_end);
          },
          [](const LookupJoinNode& n) {
            return fmt::format(",\"join\":\"{}\",\"left_keys\":{},\"right_keys\":{},\"residual\":{}",
                               join_words[static_cast<int>(n.join)], numbers(n.left_keys), numbers(n.right_keys),
                               n.residual.empty() ? "null" : n.residual.json());
          },
          [](const AsofJoinNode& n) {
            return fmt::format(
                ",\"join\":\"{}\",\"left_keys\":{},\"right_keys\":{},\"left_order\":{},\"right_order\":{},"
                "\"comparison\":\"{}\",\"table\":{}",
                join_words[static_cast<int>(n.join)], numbers(n.left_keys), numbers(n.right_keys), n.left_order,
                n.right_order, comparison_words[static_cast<int>(n.comparison)], n.table);
          },
          [](const JoinNode& n) {
            return fmt::format(
                ",\"join\":\"{}\",\"left\":{},\"right\":{},\"residual\":{},\"hold_ms\":{},\"hold_at_end\":{}",
                join_words[static_cast<int>(n.join)], side_json(n.left), side_json(n.right),
                n.residual.empty() ? "null" : n.residual.json(), n.hold_ms, n.hold_at_end);
          },
          [](const SetOperationNode& n) {
            return fmt::format(",\"operation\":\"{}\",\"all\":{}", n.except ? "except" : "intersect", n.all);
          },
          [](const UnnestNode& n) { return ",\"lists\":" + expressions_json(n.lists); },
          [](const TopNNode& n) {
            return fmt::format(
                ",\"partition\":{},\"order\":{},\"rank\":\"{}\",\"offset\":{},\"limit\":{},\"rank_output\":{},"
                "\"last_first\":{},\"window_end\":{},\"emit_updates\":{},\"hold_at_end\":{}",
                numbers(n.partition), order_json(n.order), n.rank == TopNNode::Rank::rank ? "rank" : "row_number",
                n.offset, n.limit, n.rank_output, n.last_first, n.window_end ? std::to_string(*n.window_end) : "null",
                n.emit_updates, n.hold_at_end);
          },
          [](const MatchNode& n) { return match_members(n); },
          [](const TemporalJoinNode& n) {
            return fmt::format(
                ",\"join\":\"{}\",\"left_keys\":{},\"right_keys\":{},\"left_time\":{},\"right_time\":{},\"residual\":{}"
                ","
                "\"left_changes\":{},\"removals_end_versions\":{},\"hold_at_end\":{}",
                join_words[static_cast<int>(n.join)], numbers(n.left_keys), numbers(n.right_keys), n.left_time,
                n.right_time, n.residual.empty() ? "null" : n.residual.json(), n.left_changes, n.removals_end_versions,
                n.hold_at_end);
          },
          [](const ProcessingTimeJoinNode& n) {
            return fmt::format(",\"join\":\"{}\",\"left_keys\":{},\"right_keys\":{},\"residual\":{}",
                               join_words[static_cast<int>(n.join)], numbers(n.left_keys), numbers(n.right_keys),
                               n.residual.empty() ? "null" : n.residual.json());
          },
          [](const OverNode& n) {
            std::string functions;
            for (const OverFunction& f : n.functions) functions += (functions.empty() ? "" : ",") + function_json(f);
            return fmt::format(
                ",\"partition\":{},\"order\":{},\"functions\":[{}],\"time\":{},\"keeps\":\"{}\",\"kept\":{},"
                "\"hold_at_end\":{}",
                numbers(n.partition), order_json(n.order), functions, n.time ? std::to_string(*n.time) : "null",
                keeps_words[static_cast<int>(n.keeps)], n.kept, n.hold_at_end);
          },
          [](const TableFunctionNode& n) {
            return function_members(n.function) + ",\"arguments\":" + numbers(n.arguments) +
                   fmt::format(",\"keeps_all\":{}", n.keeps_all);
          },
          [](const ProcessNode& n) { return function_members(n.function) + ",\"partition\":" + numbers(n.key); },
          [](const SinkNode& n) {
            return ",\"connector\":" + json_string(n.connector) + ",\"options\":" + options_json(n.options);
          },
          [](const AlertNode& n) {
            return ",\"condition\":" + n.condition.json() + ",\"for_ms\":" + std::to_string(n.for_ms);
          },
          [](const auto&) { return std::string(); }},
      node);
}

namespace {

std::string kept_until(const JoinSide& side) {
  if (!side.expiry) return "without bound";
  return fmt::format("until the watermark reaches column {} {} {} ms", side.expiry->column,
                     side.expiry->keep_ms < 0 ? "-" : "+", std::abs(side.expiry->keep_ms));
}

std::string window_detail(const WindowSpec& window) {
  const char* word = window_words[static_cast<int>(window.kind)];
  if (window.kind == WindowKind::session) return fmt::format("{} gap {} ms", word, window.size_ms);
  return fmt::format("{} size {} ms, slide {} ms", word, window.size_ms, window.slide_ms);
}

}  // namespace

std::string node_detail(const Node& node) {
  return std::visit(
      overloaded{
          [](const SourceNode& n) {
            return n.connector + (n.is_static ? ", static" : "") +
                   (n.watermark ? ", watermark " + n.watermark->expression.text() : "");
          },
          [](const NormalizeNode&) {
            return std::string("a row replaces the one of its key; the last row of every key is kept, without bound");
          },
          [](const FilterNode& n) { return n.predicate.text(); },
          [](const TemporalFilterNode& n) { return bounds_text(n.bounds); },
          [](const ProjectNode& n) {
            std::string out;
            for (const Expr& e : n.expressions) out += (out.empty() ? "" : ", ") + e.text();
            return out;
          },
          [](const WindowAssignNode& n) {
            const bool session = n.window.kind == WindowKind::session;
            return window_detail(n.window) + (session ? "; rows are held until their session has closed" : "");
          },
          [](const AggregateNode& n) {
            std::string out;
            for (const Aggregate& a : n.aggregates) out += (out.empty() ? "" : ", ") + a.call.text;
            return out + "; state is kept for every key, without bound";
          },
          [](const WindowAggregateNode& n) {
            std::string out = n.assign ? window_detail(*n.assign) + ": " : "window of the input: ";
            for (const Aggregate& a : n.aggregates) out += a.call.text + " ";
            return out + "; state is freed when the watermark passes the window's end";
          },
          [](const LookupJoinNode& n) {
            return std::string(join_words[static_cast<int>(n.join)]) + " join with a static table";
          },
          [](const AsofJoinNode& n) {
            return std::string(n.table ? "as-of join with a static table, "
                                       : "as-of join; both sides are kept without bound, ") +
                   comparison_words[static_cast<int>(n.comparison)];
          },
          [](const JoinNode& n) {
            return fmt::format("{} join; left rows are kept {}, right rows {}", join_words[static_cast<int>(n.join)],
                               kept_until(n.left), kept_until(n.right));
          },
          [](const SetOperationNode& n) {
            return std::string(n.except ? "except" : "intersect") + (n.all ? " all" : "") +
                   "; state is kept for every row, without bound";
          },
          [](const TemporalJoinNode& n) {
            return std::string(join_words[static_cast<int>(n.join)]) +
                   " join with the version valid at the row's time; rows wait for the watermark, " +
                   (n.left_changes ? "and versions are kept without bound, as rows may be taken back"
                                   : "which also frees versions that were followed by another");
          },
          [](const ProcessingTimeJoinNode& n) {
            return std::string(join_words[static_cast<int>(n.join)]) +
                   " join with what the table has when a row comes; the table's rows are kept";
          },
          [](const TableFunctionNode& n) { return n.function.description().name; },
          [](const ProcessNode& n) {
            return n.function.description().name +
                   "; state is kept for every key until it is all NULL and waits for no timer";
          },
          [](const TopNNode& n) { return top_n_text(n); },
          [](const MatchNode& n) {
            return fmt::format("pattern {}; {}", pattern_text(n),
                               n.within_ms > 0 ? fmt::format("state is freed {} ms after a match began", n.within_ms)
                                               : "without WITHIN, rows are kept for as long as a match may go on");
          },
          [](const OverNode& n) { return over_text(n); },
          [](const SinkNode& n) { return n.connector; },
          [](const AlertNode& n) { return n.condition.text(); },
          [](const auto&) { return std::string(); }},
      node);
}

namespace {

/// `identity`: without places and names of people's interest only.
std::string node_json(const Node& node, bool identity) {
  const NodeBase& base = base_of(node);
  std::string out = fmt::format("{{\"id\":{},\"kind\":\"{}\",\"name\":{},\"inputs\":[", base.id.value, kind_of(node),
                                json_string(base.name));
  for (size_t i = 0; i < base.inputs.size(); ++i)
    out +=
        fmt::format("{}{{\"node\":{},\"output\":{}}}", i ? "," : "", base.inputs[i].node.value, base.inputs[i].output);
  out += "],\"columns\":[";
  for (size_t i = 0; i < base.output.columns.size(); ++i) {
    const Column& column = base.output.columns[i];
    out += fmt::format("{}{{\"name\":{},\"type\":{},\"role\":\"{}\"}}", i ? "," : "", json_string(column.name),
                       json_string(column.type.ToString()), role_words[static_cast<int>(column.role)]);
  }
  out += fmt::format("],\"changelog\":\"{}\",\"key\":{},\"deterministic\":{}", word_of(base.output.changelog),
                     numbers(base.output.key), base.output.deterministic);
  if (base.on_error != OnError::quarantine)
    out += fmt::format(",\"on_error\":\"{}\"", base.on_error == OnError::null ? "null" : "fail");
  out += node_members(node);
  if (!identity) out += ",\"detail\":" + json_string(node_detail(node)) + ",\"at\":" + json_string(base.at.text());
  return out + "}";
}

}  // namespace

std::string plan_json(const Plan& plan) {
  std::string out = "{\"format\":1,\"nodes\":[";
  for (const Node& node : plan.nodes) out += (base_of(node).id.value ? "," : "") + node_json(node, false);
  return out + "]}";
}

std::string explain_text(const Plan& plan) {
  std::string out;
  std::function<void(NodeId, int)> print = [&](NodeId id, int depth) {
    const Node& node = plan[id];
    const NodeBase& base = base_of(node);
    out += fmt::format("{:{}}#{} {} {} [{}{}]  {}\n", "", depth * 2, id.value, kind_of(node), base.name,
                       word_of(base.output.changelog), base.output.watermark ? ", watermark" : "", node_detail(node));
    for (const Input& input : base.inputs) print(input.node, depth + 1);
  };
  for (const Node& node : plan.nodes)
    if (std::holds_alternative<ViewNode>(node) || std::holds_alternative<SinkNode>(node) ||
        std::holds_alternative<AlertNode>(node))
      print(base_of(node).id, 0);
  return out;
}

std::string plan_fingerprint(const Plan& plan) {
  std::string all;
  for (const Node& node : plan.nodes) all += node_json(node, true);
  return fingerprint_of(all);
}

std::string fingerprint_of(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a, 64 bits (Fowler, Noll, Vo)
  for (char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return fmt::format("{:016x}", hash);
}

}  // namespace headrace
