#include "run/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/json_text.h"
#include "duck/serialize.h"

namespace headrace {
namespace {

const SourceNode* find_source(const Graph& graph, const std::string& name) {
  for (const Node& node : graph.plan.nodes)
    if (auto* source = std::get_if<SourceNode>(&node); source != nullptr && source->name == name) return source;
  return nullptr;
}

const Edge& edge_into(const Graph& graph, const Reentry& reentry) {
  return graph.edges[graph.incoming[static_cast<size_t>(reentry.node)][static_cast<size_t>(reentry.input)]];
}

std::string option_of(const SourceNode& source, const std::string& name) {
  auto found = source.options.find(name);
  return found == source.options.end() ? std::string() : found->second;
}

bool is_json_record(const std::string& bytes) {
  return !bytes.empty() && bytes.front() == '{';
}

/// Why a row cannot go back; "" = it can.
std::string why_not(const QuarantineRow& row, const Graph& graph, int32_t shards) {
  if (row.replayed_us > 0) return "it was put back already";
  if (row.late) return "it came too late, and would again";
  if (row.reentry.node >= 0) {
    const Edge& edge = edge_into(graph, row.reentry);
    if (edge.exchange == Exchange::local && graph.stage[static_cast<size_t>(row.reentry.node)] > 0 &&
        row.reentry.shards != shards)
      return fmt::format("it was refused on {} shards: run with --shards {}", row.reentry.shards, row.reentry.shards);
    return "";
  }
  const SourceNode* source = find_source(graph, row.source);
  if (source == nullptr) return "the row as it came to the node was not kept";
  if (is_json_record(row.bytes)) return "";
  const std::string format = option_of(*source, "format");
  if (format == "csv" && option_of(*source, "header") != "false")
    return "which columns a line of a CSV file has stands in the file's first line: mend the file";
  return "";
}

bool is_meant(const QuarantineRow& row, const ReplayRequest& request, const std::set<int64_t>& ids) {
  if (!ids.empty() && ids.count(row.id) == 0) return false;
  if (!request.source.empty() && !same_name(row.source, request.source)) return false;
  const std::string function = "{\"function\":" + json_string(request.function) + ",";
  return request.function.empty() || row.detail.compare(0, function.size(), function) == 0;
}

}  // namespace

std::future<Result<Replayed>> ReplayQueue::ask(ReplayRequest request) {
  auto waiting = std::make_unique<Waiting>();
  waiting->request = std::move(request);
  std::future<Result<Replayed>> answer = waiting->answer.get_future();
  std::lock_guard lock(mutex_);
  if (closed_)
    waiting->answer.set_value(*closed_);
  else
    asked_.push_back(std::move(waiting));
  return answer;
}

std::vector<std::unique_ptr<ReplayQueue::Waiting>> ReplayQueue::take() {
  std::lock_guard lock(mutex_);
  return std::exchange(asked_, {});
}

void ReplayQueue::done(std::unique_ptr<Waiting> waiting) {
  std::lock_guard lock(mutex_);
  done_.push_back(std::move(waiting));
}

void ReplayQueue::durable(Tick tick) {
  std::lock_guard lock(mutex_);
  for (auto& waiting : done_) {
    if (waiting->outcome.tick > tick) continue;
    waiting->answer.set_value(std::move(waiting->outcome));
    waiting.reset();
  }
  std::erase(done_, nullptr);
}

void ReplayQueue::close(const Error& reason) {
  std::lock_guard lock(mutex_);
  closed_ = reason;
  for (auto* list : {&asked_, &done_}) {
    for (auto& waiting : *list) waiting->answer.set_value(reason);
    list->clear();
  }
}

std::vector<QuarantineRow> select_rows(const Quarantine& quarantine, const ReplayRequest& request, const Graph& graph,
                                       int32_t shards, Replayed& outcome) {
  const std::set<int64_t> ids(request.ids.begin(), request.ids.end());
  std::set<int64_t> unknown = ids;
  std::vector<QuarantineRow> out;
  for (QuarantineRow& row : quarantine.rows(0, INT64_MAX)) {
    unknown.erase(row.id);
    if (!is_meant(row, request, ids)) continue;
    if (std::string reason = why_not(row, graph, shards); reason.empty())
      out.push_back(std::move(row));
    else if (!ids.empty() || row.replayed_us == 0)
      outcome.skipped.push_back({row.id, std::move(reason)});
  }
  for (int64_t id : unknown) outcome.skipped.push_back({id, "there is no such row"});
  return out;
}

Result<TakenIn> take_again(const SourceNode& source, const QuarantineRow& row, EvaluationContext& evaluation,
                           int64_t now_us) {
  SourceNode reading = source;
  if (is_json_record(row.bytes)) reading.options["format"] = "ndjson";
  HEADRACE_ASSIGN(std::unique_ptr<Intake> intake, Intake::make(reading, evaluation));
  Morsel morsel;
  morsel.bytes = std::make_shared<const std::string>(row.bytes + "\n");
  morsel.origin = row.origin;
  return intake->take(morsel, now_us);
}

Result<ReenteringRow> reenter(const QuarantineRow& row, const Graph& graph, EventTime watermark) {
  const Reentry& from = row.reentry;
  const uint32_t index = graph.incoming[static_cast<size_t>(from.node)][static_cast<size_t>(from.input)];
  const Edge& edge = graph.edges[index];
  ReenteringRow out;
  out.edge = index;
  if (edge.exchange == Exchange::local) out.shard = static_cast<uint32_t>(from.shard % std::max(from.shards, 1));
  HEADRACE_TRY(deserialize_chunk(from.row, out.batch.chunk));
  out.batch.schema = base_of(graph.plan[edge.from.node]).output.schema();
  if (from.diff != 1) out.batch.diffs = {from.diff};
  if (from.timed) out.batch.stamps_ms = {watermark.ms};
  return out;
}

}  // namespace headrace
