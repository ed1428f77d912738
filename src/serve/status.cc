#include "serve/status.h"

#include <boost/json.hpp>

namespace headrace {
namespace {

namespace json = boost::json;

json::value error_of(const std::optional<Error>& error) {
  if (!error) return nullptr;
  json::object out{
      {"code", static_cast<int>(error->code)}, {"name", name_of(error->code)}, {"message", error->message}};
  if (!error->remedy.empty()) out["remedy"] = error->remedy;
  if (std::string at = error->at.text(); !at.empty()) out["at"] = at;
  return out;
}

json::object node_json(const NodeStatus& node) {
  json::array inputs;
  for (NodeId input : node.inputs) inputs.push_back(json::value(std::to_string(input.value)));
  return {{"id", std::to_string(node.id.value)},
          {"kind", node.kind},
          {"name", node.name},
          {"inputs", std::move(inputs)},
          {"rows_in", node.rows_in},
          {"rows_passed", node.rows_passed},
          {"rows_filtered", node.rows_filtered},
          {"rows_late", node.rows_late},
          {"rows_quarantined", node.rows_quarantined},
          {"rows_held", node.rows_held},
          {"rows_out", node.rows_out},
          {"busy_us", node.busy_us},
          {"state_rows", node.state_rows},
          {"state_bytes", node.state_bytes},
          {"watermark_ms", time_ms(node.watermark)}};
}

json::object source_json(const SourceStatus& source) {
  return {{"name", source.name},
          {"connector", source.connector},
          {"records_read", source.records_read},
          {"records_accepted", source.records_accepted},
          {"records_quarantined", source.records_quarantined},
          {"caught_up", source.caught_up},
          {"ended", source.ended},
          {"lag_bytes", source.lag_bytes ? json::value(*source.lag_bytes) : json::value(nullptr)},
          {"watermark_ms", time_ms(source.watermark)},
          {"splits_paused", source.splits_paused},
          {"paused_reason", source.paused_reason.empty() ? json::value(nullptr) : json::value(source.paused_reason)}};
}

json::object sink_json(const SinkStatus& sink) {
  return {{"name", sink.name},
          {"connector", sink.connector},
          {"rows_written", sink.rows_written},
          {"committed_epoch", sink.committed_epoch.value},
          {"last_commit_us", sink.last_commit_us}};
}

json::object head_json(const PipelineStatus& status) {
  return {{"name", status.name},
          {"lineage", status.lineage},
          {"tick", status.tick.value},
          {"durable_tick", status.durable_tick.value},
          {"epoch", status.epoch.value},
          {"running", status.running},
          {"ended", status.ended},
          {"failure", error_of(status.failure)},
          {"checkpoint_bytes", status.checkpoint_bytes},
          {"checkpoint_us", status.checkpoint_us},
          {"merged_bytes", status.merged_bytes},
          {"state_memory_bytes", status.state_memory_bytes},
          {"state_spilled_bytes", status.state_spilled_bytes},
          {"tick_us", status.tick_us},
          {"backpressure", status.backpressure}};
}

json::object with_lists(const PipelineStatus& status) {
  json::object out = head_json(status);
  json::array nodes, sources, sinks;
  for (const NodeStatus& node : status.nodes) nodes.push_back(node_json(node));
  for (const SourceStatus& source : status.sources) sources.push_back(source_json(source));
  for (const SinkStatus& sink : status.sinks) sinks.push_back(sink_json(sink));
  out["nodes"] = std::move(nodes);
  out["sources"] = std::move(sources);
  out["sinks"] = std::move(sinks);
  return out;
}

class StatusFeed final : public EventFeed {
 public:
  explicit StatusFeed(StatusBoard& board) : board_(board) {}

  Result<> start(std::function<void()>) override { return {}; }
  int64_t poll_ms() const override { return StatusBoard::refresh_ms; }
  std::optional<std::string> take() override {
    std::shared_ptr<const json::object> now = board_.document();
    json::object patch = seen_ ? merge_patch(*seen_, *now) : *now;
    seen_ = std::move(now);
    if (patch.empty()) return "";
    return "event: status\ndata: " + json::serialize(patch) + "\n\n";
  }

 private:
  StatusBoard& board_;
  std::shared_ptr<const json::object> seen_;
};

}  // namespace

json::value time_ms(const std::optional<EventTime>& time) {
  return time ? json::value(time->ms) : json::value(nullptr);
}

json::object status_document(const PipelineStatus& status) {
  json::object out = head_json(status), nodes, sources, sinks;
  for (const NodeStatus& node : status.nodes) nodes[std::to_string(node.id.value)] = node_json(node);
  for (const SourceStatus& source : status.sources) sources[source.name] = source_json(source);
  for (const SinkStatus& sink : status.sinks) sinks[sink.name] = sink_json(sink);
  out["nodes"] = std::move(nodes);
  out["sources"] = std::move(sources);
  out["sinks"] = std::move(sinks);
  return out;
}

std::string status_json(const PipelineStatus& status) {
  return json::serialize(with_lists(status));
}

std::string pipeline_json(const PipelineStatus& status, const std::string& plan) {
  json::object out = with_lists(status);
  std::map<uint32_t, int64_t> rows_out;
  for (const NodeStatus& node : status.nodes) rows_out[node.id.value] = node.rows_out;
  json::array edges;
  for (const NodeStatus& node : status.nodes)
    for (NodeId input : node.inputs)
      edges.push_back(json::object{{"from", std::to_string(input.value)},
                                   {"to", std::to_string(node.id.value)},
                                   {"rows", rows_out[input.value]}});
  out["edges"] = std::move(edges);
  boost::system::error_code error;
  json::value parsed = json::parse(plan, error);
  out["plan"] = error ? json::value(nullptr) : std::move(parsed);
  return json::serialize(out);
}

json::object merge_patch(const json::object& from, const json::object& to) {
  json::object out;
  for (const auto& [name, value] : from)
    if (!to.contains(name)) out[name] = nullptr;
  for (const auto& [name, value] : to) {
    const json::value* before = from.if_contains(name);
    if (before && before->is_object() && value.is_object()) {
      if (json::object inner = merge_patch(before->as_object(), value.as_object()); !inner.empty())
        out[name] = std::move(inner);
    } else if (!before || *before != value) {
      out[name] = value;
    }
  }
  return out;
}

std::shared_ptr<const json::object> StatusBoard::document() {
  std::lock_guard lock(mutex_);
  int64_t now_ns = clock_.steady_ns();
  if (!document_ || now_ns - read_ns_ >= refresh_ms * 1'000'000) {
    document_ = std::make_shared<const json::object>(status_document(pipeline_.status()));
    read_ns_ = now_ns;
  }
  return document_;
}

std::unique_ptr<EventFeed> make_status_feed(StatusBoard& board) {
  return std::make_unique<StatusFeed>(board);
}

}  // namespace headrace
