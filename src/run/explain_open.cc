#include "run/explain_open.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "ops/waiting.h"
#include "ops/window_math.h"
#include "run/time_text.h"

namespace headrace {
namespace {

using Reason = WhyOpen::Reason;

constexpr size_t parts_max = 20;     ///< Windows shown of each operator.
constexpr size_t results_max = 100;  ///< Results shown of each window.

std::optional<EventTime> if_set(EventTime time) {
  return time == EventTime::min() || time == EventTime::max() ? std::nullopt : std::optional(time);
}

/// True when a node's results wait for the watermark.
bool waits_for_time(const Node& node) {
  return std::visit(overloaded{[](const WindowAggregateNode&) { return true; },
                               [](const WindowAssignNode& n) { return n.window.kind == WindowKind::session; },
                               [](const TopNNode& n) { return n.window_end.has_value(); },
                               [](const OverNode& n) { return n.time.has_value(); },
                               [](const MatchNode&) { return true; }, [](const TemporalJoinNode&) { return true; },
                               [](const JoinNode& n) {
                                 return n.join != JoinKind::inner && n.join != JoinKind::semi &&
                                        (n.left.expiry || n.right.expiry);
                               },
                               [](const auto&) { return false; }},
                    node);
}

/// The windows that a node sorts rows into, if it does.
const WindowSpec* windows_of(const Node& node) {
  if (auto* aggregate = std::get_if<WindowAggregateNode>(&node))
    return aggregate->assign ? &*aggregate->assign : nullptr;
  if (auto* assign = std::get_if<WindowAssignNode>(&node)) return &assign->window;
  return nullptr;
}

class Explanation {
 public:
  Explanation(const StandingEngine& engine, const ViewNode& view, std::optional<EventTime> window)
      : engine_(engine), plan_(engine.graph.plan), view_(view) {
    out_.view = view.name;
    out_.window = window;
    out_.now_us = engine.now_us;
    find_below(view.id);
  }

  Result<WhyOpen> make() {
    for (uint32_t node : below_)
      if (auto* source = std::get_if<SourceNode>(&plan_.nodes[node]); source && source->watermark) add_source(*source);
    for (uint32_t node : below_)
      if (waits_for_time(plan_.nodes[node])) HEADRACE_TRY(add_operator(plan_.nodes[node]));
    bool any = false;
    for (const WhyOpen::Operator& op : out_.operators) any = any || op.parts_open > 0;
    const bool by_clock = tell_clock();
    if (out_.operators.empty() && !by_clock)
      tell("not_held", "the view waits for no time: it shows with every tick what its rows make");
    else if (!out_.operators.empty() && !any)
      out_.window ? tell_of_window()
                  : tell("nothing_open", "no window is open: no row has come that is not out already");
    tell_updates();
    if (!any) tell_empty_sources();
    tell_filters();
    tell_late();
    tell_future();
    return std::move(out_);
  }

 private:
  void find_below(NodeId node) {
    if (!below_.insert(node.value).second) return;
    for (const Input& input : timed_inputs(plan_[node])) find_below(input.node);
  }

  const SourceInput& input_of(NodeId source) const {
    return **std::find_if(engine_.inputs.begin(), engine_.inputs.end(),
                          [&](const auto& input) { return input->node().id == source; });
  }

  void tell(std::string code, std::string text) { out_.reasons.push_back({std::move(code), std::move(text)}); }

  void add_source(const SourceNode& node) {
    const SourceInput& input = input_of(node.id);
    const SourceStatus status = input.status();
    WhyOpen::Source& source = out_.sources.emplace_back();
    source.name = node.name;
    source.connector = node.connector;
    source.watermark = if_set(input.reached());
    source.records_read = status.records_read;
    source.records_quarantined = status.records_quarantined;
    source.caught_up = status.caught_up;
    source.ended = status.ended;
    for (uint32_t number = 0; number < input.splits().size(); ++number) {
      const SourceInput::Split& split = input.splits()[number];
      source.splits.push_back({number, split.name, split.ended || input.ended(), split.paused, if_set(split.watermark),
                               split.rows, split.latest_time, split.last_time, split.last_us});
    }
  }

  /// What waits in an operator, over all shards.
  Result<> add_operator(const Node& node) {
    const NodeBase& base = base_of(node);
    WhyOpen::Operator& op = out_.operators.emplace_back();
    op.node = base.id;
    op.kind = kind_of(node);
    op.name = base.name;
    op.watermark = if_set(engine_.marks.watermark[base.id.value]);
    op.columns = base.output.schema();
    for (const auto& shard : engine_.shards) {
      WaitingReport report;
      report.start = out_.window;
      report.parts_max = parts_max;
      report.results_max = results_max;
      HEADRACE_TRY(shard->op(base.id)->tell_waiting(report));
      // Shards share windows; sessions are each shard's own.
      op.parts_open = report.session ? op.parts_open + report.parts_open : std::max(op.parts_open, report.parts_open);
      for (WaitingReport::Part& part : report.parts) add_part(op, std::move(part), report.session);
    }
    std::stable_sort(op.parts.begin(), op.parts.end(), [](const auto& a, const auto& b) { return a.due < b.due; });
    if (op.parts.size() > parts_max) op.parts.resize(parts_max);
    const std::vector<NodeId> way = way_to_view(base.id);
    if (!way.empty()) op.columns = base_of(plan_[way.back()]).output.schema();
    for (WhyOpen::Part& part : op.parts) {
      for (NodeId step : way) HEADRACE_TRY(pass_on(step, part.now));
      explain(node, op, part);
    }
    return {};
  }

  static void add_part(WhyOpen::Operator& op, WaitingReport::Part part, bool session) {
    WhyOpen::Part* into = nullptr;
    for (WhyOpen::Part& known : op.parts)
      if (!session && known.start == part.start && known.due == if_set(part.due)) into = &known;
    if (into == nullptr) {
      into = &op.parts.emplace_back();
      into->start = part.start;
      into->due = if_set(part.due);
      if (part.start) into->end = EventTime{part.due.ms + 1};
    }
    into->rows += part.rows;
    into->results += part.results;
    for (Batch& batch : part.now)
      if (into->now.size() < results_max) into->now.push_back(std::move(batch));
  }

  /// The nodes that a node's rows pass one by one and without waiting, to the view; as far as this is so.
  std::vector<NodeId> way_to_view(NodeId node) const {
    std::vector<NodeId> out;
    while (true) {
      std::vector<NodeId> next;
      for (uint32_t edge : engine_.graph.outgoing[node.value])
        if (below_.count(engine_.graph.edges[edge].to.value)) next.push_back(engine_.graph.edges[edge].to);
      if (next.size() != 1) return out;
      node = next[0];
      const Node& to = plan_[node];
      if (std::holds_alternative<ViewNode>(to)) out.push_back(node);
      if (!std::holds_alternative<FilterNode>(to) && !std::holds_alternative<ProjectNode>(to) &&
          !std::holds_alternative<UnionNode>(to))
        return out;
      out.push_back(node);
    }
  }

  /// What a node that keeps nothing makes of rows.
  Result<> pass_on(NodeId node, std::vector<Batch>& rows) const {
    if (node == view_.id) return {};
    Gathered passed;
    for (Batch& batch : rows) HEADRACE_TRY(engine_.shards[0]->op(node)->on_batch(0, std::move(batch), passed));
    rows = std::move(passed.batches);
    return {};
  }

  void explain(const Node& node, const WhyOpen::Operator& op, WhyOpen::Part& part) {
    if (is_session(node) && part.end)
      part.reasons.push_back(
          {"session_gap", fmt::format("a row of its key before {} would still belong to the session: "
                                      "its gap is not over",
                                      text_of(*part.end))});
    if (!part.due) return;
    const size_t before = part.reasons.size();
    add_holders(op.node, *part.due, part.reasons);
    if (part.reasons.size() == before && holds_at_end(node))
      part.reasons.push_back(
          {"held_at_end", "all input has ended, and ON END HOLD leaves open what no row has closed"});
  }

  static bool is_session(const Node& node) {
    const WindowSpec* windows = windows_of(node);
    return windows != nullptr && windows->kind == WindowKind::session;
  }

  struct Need {
    NodeId source;
    EventTime mark;
  };

  /// The sources whose watermark must reach something for `node` to reach `mark`, with what.
  void find_needs(NodeId node, EventTime mark, std::vector<Need>& out) const {
    const std::span<const Input> inputs = timed_inputs(plan_[node]);
    if (inputs.empty()) {
      const bool known = std::any_of(out.begin(), out.end(), [&](const Need& n) { return n.source == node; });
      if (!known) out.push_back({node, mark});
      return;
    }
    for (const Input& input : inputs) find_needs(input.node, EventTime{mark.ms + hold_ms_of(plan_[input.node])}, out);
  }

  /// Which splits of which sources keep `node` from reaching `mark`, and why.
  void add_holders(NodeId node, EventTime mark, std::vector<Reason>& out) const {
    std::vector<Need> needs;
    find_needs(node, mark, needs);
    size_t behind = 0;
    for (const Need& need : needs) behind += input_of(need.source).watermark() < need.mark;
    for (const Need& need : needs) {
      const SourceInput& input = input_of(need.source);
      if (input.watermark() >= need.mark || !input.node().watermark) continue;
      for (uint32_t split = 0; split < input.splits().size(); ++split)
        if (!input.splits()[split].ended && input.splits()[split].watermark < need.mark)
          out.push_back(reason_of(input, split, need.mark, behind == needs.size()));
    }
  }

  Reason reason_of(const SourceInput& input, uint32_t number, EventTime need, bool all_inputs_behind) const {
    const std::vector<SourceInput::Split>& splits = input.splits();
    const SourceInput::Split& split = splits[number];
    const std::string source = "source " + input.node().name;
    const std::string who = input.title(number);
    auto reason = [&](const char* code, std::string text) {
      return Reason{code, std::move(text), input.node().name, number};
    };
    const bool none = std::all_of(splits.begin(), splits.end(),
                                  [](const SourceInput::Split& s) { return s.watermark == EventTime::min(); });
    if (none) return reason("source_empty", fmt::format("{} has had no row yet: rows of any time may come", source));
    if (split.watermark == EventTime::min())
      return reason("split_empty",
                    fmt::format("{} has had no row yet, and it has not ended: rows of any time may come", who));
    if (split.paused) return reason("paused", engine_.alignment.reason(input, number));
    const std::string stands = fmt::format("{} stands at {}, {} short of {}{}", who, text_of(split.watermark),
                                           duration_text(need.ms - split.watermark.ms), text_of(need), last_row(split));
    const bool others_passed = std::any_of(splits.begin(), splits.end(), [&](const SourceInput::Split& s) {
      return &s != &split && (s.ended || s.watermark >= need);
    });
    if (others_passed) return reason("split_behind", stands + "; other splits have passed that");
    if (!all_inputs_behind)
      return reason("input_behind", stands + "; the other inputs of the union or join have passed that");
    return reason("time_not_reached", stands);
  }

  std::string last_row(const SourceInput::Split& split) const {
    if (!split.last_time) return "";
    return fmt::format("; its last row, of {}, came {} ago", text_of(*split.last_time),
                       duration_text((engine_.now_us - split.last_us) / 1000));
  }

  /// Why a window that was asked for is not among those that are open.
  void tell_of_window() {
    const EventTime start = *out_.window;
    for (uint32_t node : below_) {
      const WindowSpec* windows = windows_of(plan_.nodes[node]);
      if (windows == nullptr) continue;
      if (windows->kind == WindowKind::session)
        return tell("no_such_session",
                    "no open session begins at " + text_of(start) + ": it has closed, or it never was");
      const WindowMath math(*windows);
      const EventTime end{math.cumulates ? start.ms + math.step_ms : start.ms + math.size_ms};
      const int64_t step = math.cumulates ? math.size_ms : math.step_ms;
      if (math.floor_to(step, start.ms) != start.ms) {
        const int64_t below = math.floor_to(step, start.ms);
        return tell("no_such_window", fmt::format("no window starts at {}; the nearest do at {} and {}", text_of(start),
                                                  text_of({below}), text_of({below + step})));
      }
      const EventTime mark = engine_.marks.watermark[node];
      if (mark.ms >= end.ms - 1) {
        tell("closed",
             fmt::format("the window has closed: the watermark stands at {}, and what it held is out", text_of(mark)));
        return tell_rows_ahead(end);
      }
      tell("no_rows",
           fmt::format("no row has come into the window that ends at {}: there is nothing to give", text_of(end)));
      return add_holders(NodeId{node}, EventTime{end.ms - 1}, out_.reasons);
    }
    tell("no_such_window", "the view has no windows that this engine assigns: leave the window out");
  }

  /// Rows far ahead of those that came after them have closed a window early.
  void tell_rows_ahead(EventTime end) {
    for (uint32_t node : below_) {
      auto* source = std::get_if<SourceNode>(&plan_.nodes[node]);
      if (source == nullptr || !source->watermark) continue;
      const SourceInput& input = input_of(source->id);
      for (uint32_t number = 0; number < input.splits().size(); ++number) {
        const SourceInput::Split& split = input.splits()[number];
        if (!split.last_time || *split.last_time >= end || *split.latest_time < end) continue;
        std::string text =
            fmt::format("a row of {} in source {} closed it before its time: the last row that came is of {} only",
                        text_of(*split.latest_time), source->name, text_of(*split.last_time));
        if (split.latest_time->ms * 1000 > engine_.now_us)
          text += fmt::format(", and the clock says {}", text_of(EventTime::from_us(engine_.now_us)));
        out_.reasons.push_back({"row_ahead", text, source->name, number});
      }
    }
  }

  void tell_updates() {
    for (uint32_t node : below_)
      if (auto* windows = std::get_if<WindowAggregateNode>(&plan_.nodes[node]); windows && windows->emit_updates)
        return tell("shown_already",
                    "the view gives partial results (EMIT ON UPDATE or EMIT EVERY): what is there shows "
                    "already, and may change until its window closes");
  }

  void tell_empty_sources() {
    for (const WhyOpen::Source& source : out_.sources)
      if (source.records_read == 0 && !source.ended)
        out_.reasons.push_back({"source_empty", "source " + source.name + " has had no row yet", source.name});
  }

  void tell_filters() {
    for (uint32_t node : below_) {
      auto* filter = std::get_if<FilterNode>(&plan_.nodes[node]);
      const NodeCounters& rows = engine_.counters[node];
      if (filter == nullptr || rows.rows_in == 0 || rows.passed > 0) continue;
      tell("filtered", fmt::format("a filter of {} has let none of {} rows pass; they move the watermark all the same",
                                   filter->name, rows.rows_in));
    }
  }

  /// True when rows wait for the clock.
  bool tell_clock() {
    bool any = false;
    for (uint32_t node : below_) {
      const int64_t held = engine_.counters[node].held;
      if (!std::holds_alternative<TemporalFilterNode>(plan_.nodes[node]) || held == 0) continue;
      int64_t due_us = never_due;
      for (const auto& shard : engine_.shards) due_us = std::min(due_us, shard->op(NodeId{node})->due_us());
      tell("not_yet",
           fmt::format("{} for now() to come to their time in a filter of {}; the next row comes or goes at {}",
                       held == 1 ? "1 row waits" : fmt::format("{} rows wait", held), base_of(plan_.nodes[node]).name,
                       text_of(EventTime::from_us(due_us))));
      any = true;
    }
    return any;
  }

  void tell_late() {
    int64_t late = 0;
    for (uint32_t node : below_) late += engine_.counters[node].late;
    if (late == 0) return;
    tell("late_rows", fmt::format("{} came after what they belong to had closed: see late({})",
                                  late == 1 ? "1 row" : fmt::format("{} rows", late), view_.name));
    if (!out_.window) tell_rows_behind();
  }

  /// Late rows come because an earlier one ran ahead.
  void tell_rows_behind() {
    for (const WhyOpen::Source& source : out_.sources)
      for (const WhyOpen::Split& split : source.splits)
        if (split.last_time && split.watermark && *split.last_time < *split.watermark)
          out_.reasons.push_back(
              {"row_ahead",
               fmt::format("a row of {} in source {} brought the watermark to {}; the last row that came is of {} only",
                           text_of(*split.latest_time), source.name, text_of(*split.watermark),
                           text_of(*split.last_time)),
               source.name, split.number});
  }

  void tell_future() {
    for (const WhyOpen::Source& source : out_.sources) {
      if (source.records_quarantined == 0) continue;
      int64_t future = 0;
      for (const QuarantineRow& row : engine_.quarantine.rows(0, INT64_MAX))
        future += row.code == Code::future_time && row.source == source.name && row.replayed_us == 0;
      if (future > 0)
        out_.reasons.push_back({"future_rows",
                                fmt::format("{} of source {} lie in the quarantine: their time is more than max_future "
                                            "ahead of the clock, and made no watermark",
                                            future == 1 ? "1 row" : fmt::format("{} rows", future), source.name),
                                source.name});
    }
  }

  const StandingEngine& engine_;
  const Plan& plan_;
  const ViewNode& view_;
  std::set<uint32_t> below_;  ///< The view and all that it is made of.
  WhyOpen out_;
};

}  // namespace

Result<WhyOpen> explain_open(const StandingEngine& engine, const ViewNode& view, std::optional<EventTime> window) {
  return Explanation(engine, view, window).make();
}

}  // namespace headrace
