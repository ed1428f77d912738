#include "serve/metrics.h"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <chrono>
#include <functional>
#include <span>

#include "serve/server.h"

namespace headrace {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

/// Collects the samples of one metric.
class Samples {
 public:
  Samples(MetricFamily& family) : family_(family) {}
  void add(std::vector<std::pair<std::string, std::string>> labels, double value) {
    ClientMetric metric;
    for (auto& [name, text] : labels) metric.label.push_back({std::move(name), std::move(text)});
    (family_.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    family_.metric.push_back(std::move(metric));
  }

 private:
  MetricFamily& family_;
};

struct MetricSpec {
  const char* name;
  MetricType type;
  const char* labels;
  const char* help;
  void (*collect)(const PipelineStatus&, Samples&);  ///< nullptr: counted by the server itself.
};

void each_node(const PipelineStatus& status, Samples& out, int64_t NodeStatus::*field, double unit) {
  for (const NodeStatus& node : status.nodes)
    out.add({{"node", std::to_string(node.id.value)}, {"kind", node.kind}, {"name", node.name}},
            static_cast<double>(node.*field) * unit);
}

void each_source(const PipelineStatus& status, Samples& out,
                 const std::function<std::optional<double>(const SourceStatus&)>& value) {
  for (const SourceStatus& source : status.sources)
    if (std::optional<double> number = value(source))
      out.add({{"source", source.name}, {"connector", source.connector}}, *number);
}

void each_sink(const PipelineStatus& status, Samples& out, const std::function<double(const SinkStatus&)>& value) {
  for (const SinkStatus& sink : status.sinks)
    out.add({{"sink", sink.name}, {"connector", sink.connector}}, value(sink));
}

using S = const PipelineStatus&;
constexpr auto counter = MetricType::Counter;
constexpr auto gauge = MetricType::Gauge;

const MetricSpec metrics[] = {
    {"headrace_tick", gauge, "", "Number of the last published tick.",
     [](S s, Samples& o) { o.add({}, double(s.tick.value)); }},
    {"headrace_durable_tick", gauge, "", "Number of the last durable tick.",
     [](S s, Samples& o) { o.add({}, double(s.durable_tick.value)); }},
    {"headrace_checkpoint_epoch", gauge, "", "Number of the last checkpoint.",
     [](S s, Samples& o) { o.add({}, double(s.epoch.value)); }},
    {"headrace_pipeline_running", gauge, "", "1 while the engine runs, 0 when it has stopped or failed.",
     [](S s, Samples& o) { o.add({}, s.running ? 1 : 0); }},
    {"headrace_pipeline_failed", gauge, "", "1 when the engine has stopped with a failure.",
     [](S s, Samples& o) { o.add({}, s.failure ? 1 : 0); }},
    {"headrace_tick_duration_seconds", gauge, "", "Duration of the last tick.",
     [](S s, Samples& o) { o.add({}, s.tick_us * 1e-6); }},
    {"headrace_checkpoint_duration_seconds", gauge, "", "Duration of the last checkpoint.",
     [](S s, Samples& o) { o.add({}, s.checkpoint_us * 1e-6); }},
    {"headrace_checkpoint_size_bytes", gauge, "", "Bytes written by the last checkpoint.",
     [](S s, Samples& o) { o.add({}, double(s.checkpoint_bytes)); }},
    {"headrace_merged_bytes_total", counter, "", "Bytes written again by merging checkpoints' segments.",
     [](S s, Samples& o) { o.add({}, double(s.merged_bytes)); }},
    {"headrace_state_memory_bytes", gauge, "", "State held in memory.",
     [](S s, Samples& o) { o.add({}, double(s.state_memory_bytes)); }},
    {"headrace_state_spilled_bytes", gauge, "", "State that lies in the spill file.",
     [](S s, Samples& o) { o.add({}, double(s.state_spilled_bytes)); }},
    {"headrace_backpressure_ratio", gauge, "",
     "Share of the last second in which sources waited for the graph, 0 to 1.",
     [](S s, Samples& o) { o.add({}, s.backpressure); }},
    {"headrace_source_records_total", counter, "source, connector", "Records read since the state directory was new.",
     [](S s, Samples& o) { each_source(s, o, [](auto& x) { return double(x.records_read); }); }},
    {"headrace_source_accepted_records_total", counter, "source, connector", "Records that became rows.",
     [](S s, Samples& o) { each_source(s, o, [](auto& x) { return double(x.records_accepted); }); }},
    {"headrace_source_quarantined_records_total", counter, "source, connector", "Records that went to the quarantine.",
     [](S s, Samples& o) { each_source(s, o, [](auto& x) { return double(x.records_quarantined); }); }},
    {"headrace_source_lag_bytes", gauge, "source, connector", "Input that waits to be read, where it is known.",
     [](S s, Samples& o) {
       each_source(s, o,
                   [](auto& x) { return x.lag_bytes ? std::optional<double>(double(*x.lag_bytes)) : std::nullopt; });
     }},
    {"headrace_source_paused_splits", gauge, "source, connector",
     "Splits that are not read now, for their time is too far ahead of another's (engine.source_drift_ms).",
     [](S s, Samples& o) { each_source(s, o, [](auto& x) { return double(x.splits_paused); }); }},
    {"headrace_source_watermark_timestamp_seconds", gauge, "source, connector", "The source's watermark as Unix time.",
     [](S s, Samples& o) {
       each_source(s, o, [](auto& x) {
         return x.watermark && x.watermark->ms > -62135596800000 ? std::optional<double>(x.watermark->ms * 1e-3)
                                                                 : std::nullopt;
       });
     }},
    {"headrace_node_rows_in_total", counter, "node, kind, name", "Rows that came into the node.",
     [](S s, Samples& o) { each_node(s, o, &NodeStatus::rows_in, 1); }},
    {"headrace_node_rows_out_total", counter, "node, kind, name", "Rows that the node gave out.",
     [](S s, Samples& o) { each_node(s, o, &NodeStatus::rows_out, 1); }},
    {"headrace_node_rows_filtered_total", counter, "node, kind, name", "Rows that a condition kept back.",
     [](S s, Samples& o) { each_node(s, o, &NodeStatus::rows_filtered, 1); }},
    {"headrace_node_rows_late_total", counter, "node, kind, name", "Rows that came after their windows had closed.",
     [](S s, Samples& o) { each_node(s, o, &NodeStatus::rows_late, 1); }},
    {"headrace_node_rows_quarantined_total", counter, "node, kind, name", "Rows that failed in the node.",
     [](S s, Samples& o) { each_node(s, o, &NodeStatus::rows_quarantined, 1); }},
    {"headrace_node_rows_held", gauge, "node, kind, name", "Rows that the node holds for later.",
     [](S s, Samples& o) { each_node(s, o, &NodeStatus::rows_held, 1); }},
    {"headrace_node_busy_seconds_total", counter, "node, kind, name", "Time spent in the node, over all shards.",
     [](S s, Samples& o) { each_node(s, o, &NodeStatus::busy_us, 1e-6); }},
    {"headrace_node_state_rows", gauge, "node, kind, name", "Rows of the node's state.",
     [](S s, Samples& o) { each_node(s, o, &NodeStatus::state_rows, 1); }},
    {"headrace_node_state_bytes", gauge, "node, kind, name", "Bytes of the node's state.",
     [](S s, Samples& o) { each_node(s, o, &NodeStatus::state_bytes, 1); }},
    {"headrace_sink_rows_total", counter, "sink, connector", "Changes written to the sink.",
     [](S s, Samples& o) { each_sink(s, o, [](auto& x) { return double(x.rows_written); }); }},
    {"headrace_sink_committed_epoch", gauge, "sink, connector", "Epoch of the sink's last commit.",
     [](S s, Samples& o) { each_sink(s, o, [](auto& x) { return double(x.committed_epoch.value); }); }},
    {"headrace_sink_last_commit_timestamp_seconds", gauge, "sink, connector", "Unix time of the sink's last commit.",
     [](S s, Samples& o) { each_sink(s, o, [](auto& x) { return x.last_commit_us * 1e-6; }); }},
    {"headrace_http_requests_total", counter, "endpoint, status", "Requests answered.", nullptr},
    {"headrace_http_request_duration_seconds", MetricType::Histogram, "endpoint",
     "Time from a request's last byte to its answer.", nullptr},
    {"headrace_http_admitted_records_total", counter, "source, fate",
     "Records taken at the HTTP door since the start: accepted, quarantined.", nullptr},
    {"headrace_http_repeated_requests_total", counter, "source", "Requests whose idempotency key was known already.",
     nullptr},
};

const char* help_of(std::string_view name) {
  for (const MetricSpec& metric : metrics)
    if (metric.name == name) return metric.help;
  return "";
}

const prometheus::Histogram::BucketBoundaries seconds_buckets{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                              0.25,  0.5,    1,     2.5,  5,     10,   30};

std::string_view type_name(MetricType type) {
  return type == MetricType::Counter ? "counter" : type == MetricType::Histogram ? "histogram" : "gauge";
}

template <class Builder>
auto& family(Builder builder, prometheus::Registry& registry, const std::string& name) {
  return builder.Name(name).Help(help_of(name)).Register(registry);
}

}  // namespace

struct RequestMetrics::Registry {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Counter>& requests =
      family(prometheus::BuildCounter(), registry, "headrace_http_requests_total");
  prometheus::Family<prometheus::Histogram>& seconds =
      family(prometheus::BuildHistogram(), registry, "headrace_http_request_duration_seconds");
  prometheus::Family<prometheus::Counter>& records =
      family(prometheus::BuildCounter(), registry, "headrace_http_admitted_records_total");
  prometheus::Family<prometheus::Counter>& repeated =
      family(prometheus::BuildCounter(), registry, "headrace_http_repeated_requests_total");
};

RequestMetrics::RequestMetrics() : registry_(std::make_unique<Registry>()) {}
RequestMetrics::~RequestMetrics() = default;

void RequestMetrics::count(std::string_view endpoint, int status, double seconds) {
  std::string name(endpoint);
  registry_->requests.Add({{"endpoint", name}, {"status", std::to_string(status)}}).Increment();
  registry_->seconds.Add({{"endpoint", name}}, seconds_buckets).Observe(seconds);
}

void RequestMetrics::count_admitted(const std::string& source, int64_t accepted, int64_t quarantined, bool repeated) {
  if (repeated) return registry_->repeated.Add({{"source", source}}).Increment();
  registry_->records.Add({{"source", source}, {"fate", "accepted"}}).Increment(static_cast<double>(accepted));
  registry_->records.Add({{"source", source}, {"fate", "quarantined"}}).Increment(static_cast<double>(quarantined));
}

std::string RequestMetrics::text(const PipelineStatus& status) const {
  std::vector<MetricFamily> families = registry_->registry.Collect();
  for (const MetricSpec& metric : metrics) {
    if (!metric.collect) continue;
    MetricFamily family{metric.name, metric.help, metric.type, {}};
    Samples samples(family);
    metric.collect(status, samples);
    if (!family.metric.empty()) families.push_back(std::move(family));
  }
  return prometheus::TextSerializer().Serialize(families);
}

std::string metrics_reference() {
  std::string out = "| metric | type | labels | meaning |\n|---|---|---|---|\n";
  for (const MetricSpec& metric : metrics)
    out += fmt::format("| `{}` | {} | {} | {} |\n", metric.name, type_name(metric.type), metric.labels, metric.help);
  return out;
}

}  // namespace headrace
