#include "run/shard.h"

#include <algorithm>

#include "base/clock.h"
#include "duck/serialize.h"
#include "ops/arrival_order.h"
#include "ops/keys.h"

namespace headrace {

/// Hands a node's output on, and keeps its books.
class Shard::NodeEmitter final : public Emitter {
 public:
  NodeEmitter(Shard& shard, NodeId node) : shard_(shard), node_(node) {}

  Result<> emit(Batch batch, uint32_t output) override {
    counters.rows_out += batch.rows();
    const int64_t started = system_clock().steady_ns();
    Result<> done = shard_.emit_from(node_, std::move(batch), output);
    below_ns += system_clock().steady_ns() - started;
    return done;
  }
  void reject(const Batch& batch, uint32_t row, const Error& reason) override {
    keep(batch, row, reason.code, reason.message, false, reason.detail);
  }
  void late(const Batch& batch, const std::vector<uint32_t>& rows) override {
    for (uint32_t row : rows)
      keep(batch, row, Code::late_row,
           "came after its windows had closed; the watermark was " + std::to_string(batch.stamps_ms[row]) + " ms", true,
           "");
  }

  int64_t busy_ns = 0, below_ns = 0;
  uint32_t input = 0;  ///< Of the batch that the operator has just now.

 private:
  void keep(const Batch& batch, uint32_t row, Code code, const std::string& reason, bool late,
            const std::string& detail) {
    const NodeBase& base = base_of(shard_.graph_.plan[node_]);
    std::string origin = std::string(kind_of(shard_.graph_.plan[node_])) + " of " + base.name;
    Reentry reentry = late ? Reentry() : shard_.reentry_of(node_, input, batch, row);
    shard_.refused_.push_back(
        {node_, late, {origin, row_json(batch, row), code, reason, row}, detail, std::move(reentry), batch.ordinal});
  }

  Shard& shard_;
  NodeId node_;
};

/// How a refused row gets back, if it is a row as it came over the input, and not one that the operator has made of it.
Reentry Shard::reentry_of(NodeId node, uint32_t input, const Batch& batch, uint32_t row) const {
  const Edge& edge = graph_.edges[graph_.incoming[node.value][input]];
  const SchemaRef came = base_of(graph_.plan[edge.from.node]).output.schema();
  if (batch.chunk.ColumnCount() != came->size()) return {};
  for (size_t column = 0; column < came->size(); ++column)
    if (batch.chunk.data[column].GetType() != (*came)[column].type) return {};
  Reentry out{static_cast<int32_t>(node.value),
              static_cast<int32_t>(input),
              static_cast<int32_t>(number_),
              static_cast<int32_t>(shards_count_),
              batch.diff(row),
              !batch.stamps_ms.empty(),
              {}};
  serialize_chunk(batch.slice({row}).chunk, out.row);
  return out;
}

Shard::Shard(const Graph& graph, const LowPoints& low_points, uint32_t number, uint32_t shards,
             std::shared_ptr<StateMemory> memory, std::unique_ptr<EvaluationContext> evaluation)
    : graph_(graph),
      low_points_(low_points),
      number_(number),
      shards_count_(shards),
      memory_(std::move(memory)),
      evaluation_(std::move(evaluation)) {}

Shard::~Shard() = default;

Result<> Shard::prepare() {
  OperatorContext context{*evaluation_, graph_.plan, low_points_, number_, shards_count_};
  for (const Node& node : graph_.plan.nodes) {
    emitters_.push_back(std::make_unique<NodeEmitter>(*this, base_of(node).id));
    closed_.push_back(EventTime::min());
    operators_.push_back(make_operator(node, context));
    if (Operator* op = operators_.back().get())
      for (Table* table : op->tables()) table->live_in(memory_);
    intakes_.emplace_back();
    if (auto* source = std::get_if<SourceNode>(&node)) {
      HEADRACE_ASSIGN(intakes_.back(), Intake::make(*source, *evaluation_));
    }
  }
  outgoing_.boxes.resize(graph_.edges.size());
  for (auto& boxes : outgoing_.boxes) boxes.resize(shards_count_);
  return {};
}

const NodeCounters& Shard::counters(NodeId node) const {
  return emitters_[node.value]->counters;
}
NodeCounters& Shard::counters(NodeId node) {
  return emitters_[node.value]->counters;
}
int64_t Shard::busy_ns(NodeId node) const {
  return emitters_[node.value]->busy_ns - emitters_[node.value]->below_ns;
}

void Shard::spill(int64_t bytes) {
  std::vector<std::pair<int64_t, Table*>> tables;  // With their sizes, which take a walk over the blocks.
  for (const auto& op : operators_)
    if (op)
      for (Table* table : op->tables()) tables.emplace_back(table->bytes(), table);
  std::stable_sort(tables.begin(), tables.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  for (const auto& [size, table] : tables)
    if (bytes > 0) bytes -= table->spill(bytes);
}

Result<> Shard::take_in(TickWork& work) {
  EvaluationContext::set_now(work.info.now_us);
  for (size_t i = 0; i < work.jobs.size(); ++i) {
    if (!is_mine(i)) continue;
    MorselJob& job = work.jobs[i];
    if (job.is_taken) continue;
    HEADRACE_ASSIGN(job.taken, intakes_[job.source.value]->take(job.morsel, work.info.now_us));
    job.morsel.bytes.reset();
  }
  return {};
}

/// Stamps a morsel's rows with the watermark before each, and sends them into the graph.
Result<> Shard::feed(MorselJob& job) {
  const int64_t started = system_clock().steady_ns();
  int64_t running = job.own_before.ms;
  const bool timed = !job.taken.watermarks_ms.empty();
  const SchemaRef schema = base_of(graph_.plan[job.source]).output.schema();
  for (size_t i = 0; i < job.taken.batches.size(); ++i) {
    Batch& batch = job.taken.batches[i];
    if (batch.rows() == 0) continue;
    if (timed) {
      const std::vector<int64_t>& marks = job.taken.watermarks_ms[i];
      batch.stamps_ms.resize(marks.size());
      for (size_t row = 0; row < marks.size(); ++row) {
        batch.stamps_ms[row] = std::min(running, job.others.ms);
        running = std::max(running, marks[row]);
      }
    }
    batch.schema = schema;
    batch.ordinal = job.ordinal;
    HEADRACE_TRY(emitters_[job.source.value]->emit(std::move(batch), 0));
  }
  emitters_[job.source.value]->busy_ns += system_clock().steady_ns() - started;
  return {};
}

Result<> Shard::emit_from(NodeId node, Batch batch, uint32_t output) {
  const std::vector<uint32_t>& edges = graph_.outgoing[node.value];
  size_t left = 0;
  for (uint32_t edge : edges) left += graph_.edges[edge].from.output == output;
  for (uint32_t edge : edges) {
    if (graph_.edges[edge].from.output != output) continue;
    HEADRACE_TRY(deliver(edge, batch, --left == 0));
  }
  return {};
}

/// Rows behind what the end of an earlier run has closed here are as late as those behind the watermark.
void Shard::refuse_closed(NodeId node, Batch& batch) const {
  if (closed_[node.value] == EventTime::min()) return;
  for (int64_t& stamp : batch.stamps_ms) stamp = std::max(stamp, closed_[node.value].ms);
}

/// Hands a batch over an edge; the `last` one to get it may keep it.
Result<> Shard::deliver(uint32_t edge, Batch& batch, bool last) {
  const Edge& to = graph_.edges[edge];
  if (to.exchange != Exchange::local) return post(edge, batch);
  if (!last && closed_[to.to.value] != EventTime::min()) {
    Batch own = batch.share();
    return deliver(edge, own, true);
  }
  refuse_closed(to.to, batch);
  NodeEmitter& emitter = *emitters_[to.to.value];
  emitter.counters.rows_in += batch.rows();
  emitter.input = to.input;
  const int64_t started = system_clock().steady_ns();
  Operator& op = *operators_[to.to.value];
  Result<> done = last ? op.on_batch(to.input, std::move(batch), emitter) : op.on_shared(to.input, batch, emitter);
  emitter.busy_ns += system_clock().steady_ns() - started;
  return done;
}

/// Puts a batch into the mailboxes of the shards that own its rows.
Result<> Shard::post(uint32_t edge, Batch& batch) {
  const Edge& to = graph_.edges[edge];
  std::vector<std::vector<Batch>>& boxes = outgoing_.boxes[edge];
  if (to.exchange == Exchange::single) {
    boxes[0].push_back(batch.copy());
    return {};
  }
  if (to.exchange == Exchange::broadcast) {
    for (auto& box : boxes) box.push_back(batch.copy());
    return {};
  }
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  take_keys(batch, to.columns, keys, hashes);
  std::vector<std::vector<uint32_t>> rows(shards_count_);
  for (uint32_t row = 0; row < batch.chunk.size(); ++row) rows[shard_of(hashes[row], shards_count_)].push_back(row);
  for (uint32_t shard = 0; shard < shards_count_; ++shard)
    if (!rows[shard].empty()) boxes[shard].push_back(batch.slice(rows[shard]).copy());
  return {};
}

/// Takes what other shards have posted on an edge, in an order that does not depend on the number of shards.
Result<> Shard::receive(uint32_t node, uint32_t edge) {
  std::vector<std::vector<Batch>> sent;
  for (Shard* sender : shards_) sent.push_back(std::exchange(sender->outgoing_.boxes[edge][number_], {}));
  NodeEmitter& emitter = *emitters_[node];
  for (Batch& batch : in_arrival_order(std::move(sent))) {
    refuse_closed(NodeId{node}, batch);
    emitter.counters.rows_in += batch.rows();
    emitter.input = graph_.edges[edge].input;
    const int64_t started = system_clock().steady_ns();
    HEADRACE_TRY(operators_[node]->on_batch(graph_.edges[edge].input, std::move(batch), emitter));
    emitter.busy_ns += system_clock().steady_ns() - started;
  }
  return {};
}

/// Tells a node how far time has come.
Result<> Shard::pass_time(uint32_t node, const TickWork& work) {
  Operator& op = *operators_[node];
  NodeEmitter& emitter = *emitters_[node];
  const bool ended = work.marks.watermark[node] == EventTime::max();
  const EventTime time = ended ? work.marks.reached[node] : work.marks.watermark[node];
  if (time != EventTime::min()) HEADRACE_TRY(op.on_watermark(time, emitter));
  EventTime closed = EventTime::min();
  if (ended) {
    HEADRACE_ASSIGN(closed, op.on_time_end(emitter));
  } else if (!work.closing.empty()) {
    closed = std::min(work.closing[node], op.last_due());
    if (closed > time) HEADRACE_TRY(op.on_watermark(closed, emitter));
  }
  closed_[node] = std::max(closed_[node], closed);
  return {};
}

Result<> Shard::run_stage(TickWork& work, uint32_t stage) {
  if (stage == 0)
    for (ReenteringRow& row : work.reentering)
      if (row.shard == number_) HEADRACE_TRY(deliver(row.edge, row.batch, true));
  if (stage == 0)
    for (size_t i = 0; i < work.jobs.size(); ++i)
      if (is_mine(i)) HEADRACE_TRY(feed(work.jobs[i]));
  for (uint32_t node = 0; node < graph_.plan.nodes.size(); ++node) {
    if (graph_.stage[node] != stage || !operators_[node]) continue;
    for (uint32_t edge : graph_.incoming[node])
      if (graph_.edges[edge].exchange != Exchange::local) HEADRACE_TRY(receive(node, edge));
    NodeEmitter& emitter = *emitters_[node];
    for (NodeId complete : work.tables_complete)
      if (complete.value == node) HEADRACE_TRY(operators_[node]->on_end(1, emitter));
    if (work.loading_tables) continue;
    const int64_t started = system_clock().steady_ns();
    HEADRACE_TRY(pass_time(node, work));
    HEADRACE_TRY(operators_[node]->on_tick_end(work.info, emitter));
    emitter.busy_ns += system_clock().steady_ns() - started;
  }
  return {};
}

}  // namespace headrace
