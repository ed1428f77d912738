#include "ops/over.h"

#include <algorithm>

#include "ops/keys.h"
#include "ops/times.h"
#include "ops/waiting.h"

namespace headrace {
namespace {

using Keeps = OverNode::Keeps;

size_t width_of(const OverNode& node) {
  return node.output.columns.size() - node.functions.size();
}

RankedRows::Spec spec_of(const OverNode& node) {
  RankedRows::Spec out;
  out.name = "over";
  for (size_t i = 0; i < width_of(node); ++i) out.columns.push_back(node.output.columns[i].type);
  out.values = {LogicalType::BOOLEAN};  // Whether its result was given; NULL: not yet.
  out.key = node.partition;
  out.order = node.order;
  return out;
}

std::variant<OverQuery, RunningTotals> functions_of(const OverNode& node, const OperatorContext& context) {
  if (node.keeps == Keeps::totals) return RunningTotals(node);
  return OverQuery(node, context);
}

}  // namespace

OverOperator::OverOperator(const OverNode& node, const OperatorContext& context)
    : node_(node),
      schema_(node.output.schema()),
      width_(width_of(node)),
      time_shift_ms_(node.output.columns[*node.time].role == TimeRole::window_end ? -1 : 0),
      rows_(spec_of(node)),
      functions_(functions_of(node, context)) {}

Result<> OverOperator::tell_waiting(WaitingReport& report) {
  tell_rows(report, static_cast<int64_t>(waiting_.size()), waiting_.empty() ? 0 : waiting_.front().time_ms);
  return {};
}

std::vector<Table*> OverOperator::tables() {
  std::vector<Table*> out = rows_.rows().tables();
  if (auto* totals = std::get_if<RunningTotals>(&functions_)) out.push_back(&totals->table());
  return out;
}

void OverOperator::compute_over(const std::vector<Slot>& rows) {
  std::visit([&](auto& functions) { functions.add(rows); }, functions_);
}

/// The rows that the functions are computed over.
const std::vector<Slot>& OverOperator::computed() const {
  return std::visit([](const auto& functions) -> const std::vector<Slot>& { return functions.rows(); }, functions_);
}

void OverOperator::push(Turns& turns, Turn turn) {
  turns.push_back(turn);
  std::push_heap(turns.begin(), turns.end(), std::greater<>());
}

/// Takes out the turns up to `until`, the earliest first.
std::vector<OverOperator::Turn> OverOperator::take(Turns& turns, EventTime until) {
  std::vector<Turn> out;
  while (!turns.empty() && turns.front().time_ms <= until.ms) {
    out.push_back(turns.front());
    std::pop_heap(turns.begin(), turns.end(), std::greater<>());
    turns.pop_back();
  }
  return out;
}

/// The rows whose time the watermark had not reached. Fills times_.
Batch OverOperator::without_late(Batch batch, Emitter& out) {
  auto read = [&] {
    read_times(batch, *node_.time, times_);
    for (int64_t& time : times_)
      if (time != no_time) time += time_shift_ms_;
  };
  read();
  std::vector<uint32_t> late, kept;
  for (uint32_t row = 0; row < times_.size(); ++row) {
    const int64_t stamp = batch.stamps_ms.empty() ? given_.ms : std::max(batch.stamps_ms[row], given_.ms);
    if (times_[row] == no_time)
      ++out.counters.filtered;
    else
      (times_[row] <= stamp ? late : kept).push_back(row);
  }
  if (!late.empty()) {
    out.counters.late += static_cast<int64_t>(late.size());
    out.late(batch, late);
  }
  if (kept.size() == times_.size()) return batch;
  batch = batch.slice(kept);
  read();
  return batch;
}

Result<> OverOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  batch = without_late(std::move(batch), out);
  const size_t rows = static_cast<size_t>(batch.rows());
  out.counters.passed += batch.rows();
  if (rows == 0) return {};
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  take_keys(batch, node_.partition, keys, hashes);
  Slot partitions[STANDARD_VECTOR_SIZE], slots[STANDARD_VECTOR_SIZE];
  rows_.rows().find_or_create(keys, hashes, rows, partitions);
  SortKeys order = rows_.keys_of(batch.chunk);
  rows_.add(batch.chunk, order, hashes, rows, partitions, slots);
  for (size_t row = 0; row < rows; ++row) push(waiting_, {times_[row], slots[row]});
  return {};
}

EventTime OverOperator::last_due() const {
  int64_t out = EventTime::min().ms;
  for (const Turn& turn : waiting_) out = std::max(out, turn.time_ms);
  return EventTime{out};
}

Result<> OverOperator::on_watermark(EventTime time, Emitter& out) {
  if (time <= given_) return {};
  given_ = time;
  // All of them are later than any row that was given before.
  const std::vector<Turn> due = take(waiting_, time);
  if (!due.empty()) HEADRACE_TRY(give(due, out));
  for (const Turn& turn : take(expiring_, time)) erase(turn.row);
  return {};
}

int64_t OverOperator::time_of(Slot row) const {
  const Table& table = rows_.rows().rows();
  const auto* time = table.address(row) + table.layout().offsets[*node_.time];
  return EventTime::from_us(*reinterpret_cast<const int64_t*>(time)).ms + time_shift_ms_;
}

/// From this watermark on no row to come looks back at `row`.
int64_t OverOperator::expiry_of(Slot row) const {
  return time_of(row) + (node_.kept + 999) / 1000;
}

/// The partitions of rows in an order that depends neither on arrival nor on the number of shards.
std::vector<Slot> OverOperator::partitions_of(const std::vector<Turn>& due) const {
  std::vector<std::pair<uint64_t, Slot>> hashed;
  for (const Turn& turn : due) {
    const Slot partition = rows_.rows().group_of(turn.row);
    hashed.emplace_back(rows_.rows().groups().hash(partition), partition);
  }
  std::sort(hashed.begin(), hashed.end());
  hashed.erase(std::unique(hashed.begin(), hashed.end()), hashed.end());
  std::vector<Slot> out;
  for (const auto& [hash, partition] : hashed) out.push_back(partition);
  return out;
}

Result<> OverOperator::give(const std::vector<Turn>& due, Emitter& out) {
  const std::vector<Slot> partitions = partitions_of(due);
  std::vector<size_t> ends;  // Of each partition's rows, among all.
  std::vector<Slot> rows;
  for (Slot partition : partitions) {
    rows.clear();
    rows_.walk(partition, [&](Slot row) {
      if (time_of(row) > given_.ms) return false;
      rows.push_back(row);
      return true;
    });
    compute_over(rows);
    ends.push_back(computed().size());
  }
  std::vector<Vector> results;
  HEADRACE_TRY(std::visit([&](auto& functions) { return functions.run(rows_, results); }, functions_));
  // In order of time; rows of one time in order of their partitions' hashes.
  std::vector<std::pair<int64_t, uint32_t>> places;
  for (uint32_t place = 0; place < computed().size(); ++place) {
    const int64_t time = time_of(computed()[place]);
    if (time >= due.front().time_ms && !is_given(computed()[place])) places.emplace_back(time, place);
  }
  std::sort(places.begin(), places.end());
  std::vector<uint32_t> part;
  for (const auto& [time, place] : places) {
    part.push_back(place);
    if (static_cast<int64_t>(part.size()) == rows_per_batch) HEADRACE_TRY(emit(part, results, out));
    if (static_cast<int64_t>(part.size()) == rows_per_batch) part.clear();
  }
  HEADRACE_TRY(emit(part, results, out));
  if (node_.keeps == Keeps::recent)
    for (const Turn& turn : due) push(expiring_, {expiry_of(turn.row), turn.row});
  for (size_t i = 0; i < partitions.size(); ++i) {
    const size_t begin = i == 0 ? 0 : ends[i - 1];
    let_go(partitions[i], &computed()[begin], ends[i] - begin);
  }
  std::visit([](auto& functions) { functions.clear(); }, functions_);
  note_given(due);
  return {};
}

bool OverOperator::is_given(Slot row) const {
  return rows_.rows().rows().address(row)[sizeof(uint64_t) + rows_.first_value()] == 0;
}

/// Notes of rows that are still kept that their results were given: the end of input gives rows ahead of the watermark,
/// and a later run must not give them again.
void OverOperator::note_given(const std::vector<Turn>& due) {
  std::vector<Slot> kept;
  for (const Turn& turn : due)
    if (rows_.rows().rows().is_used(turn.row)) kept.push_back(turn.row);
  Vector yes(duckdb::Value::BOOLEAN(true));
  for (size_t at = 0; at < kept.size(); at += rows_per_batch)
    rows_.rows().tables()[1]->set_value(rows_.first_value(), &kept[at],
                                        std::min<size_t>(rows_per_batch, kept.size() - at), yes);
}

Result<> OverOperator::emit(const std::vector<uint32_t>& places, std::vector<Vector>& results, Emitter& out) {
  if (places.empty()) return {};
  std::vector<Slot> slots;
  Batch batch = Batch::make(schema_, places.size());
  for (uint32_t place : places) {
    slots.push_back(computed()[place]);
    // Just before its time: it must not be late for whoever reads it.
    batch.stamps_ms.push_back(time_of(slots.back()) - 1);
  }
  for (size_t i = 0; i < width_; ++i) rows_.rows().gather(i, slots.data(), slots.size(), batch.chunk.data[i]);
  duckdb::SelectionVector selection(const_cast<uint32_t*>(places.data()));
  for (size_t i = 0; i < results.size(); ++i)
    duckdb::VectorOperations::Copy(results[i], batch.chunk.data[width_ + i], selection, places.size(), 0, 0);
  batch.chunk.SetCardinality(slots.size());
  batch = without_failed(std::move(batch), places, out);
  return batch.rows() == 0 ? Result<>{} : out.emit(std::move(batch), 0);
}

/// Rows whose sum overflowed go to the quarantine.
Batch OverOperator::without_failed(Batch batch, const std::vector<uint32_t>& places, Emitter& out) const {
  const auto* totals = std::get_if<RunningTotals>(&functions_);
  if (totals == nullptr) return batch;
  std::vector<uint32_t> kept;
  for (uint32_t row = 0; row < places.size(); ++row)
    if (totals->failed()[places[row]])
      out.reject(batch, row, user_error(Code::expression_failed, "SUM overflows its type"));
    else
      kept.push_back(row);
  const int64_t failed = batch.rows() - static_cast<int64_t>(kept.size());
  out.counters.quarantined += failed;
  out.counters.passed -= failed;
  return failed == 0 ? std::move(batch) : batch.slice(kept);
}

/// Erases, of the rows of a partition that were given, those that no later row looks back at.
void OverOperator::let_go(Slot partition, const Slot* given, size_t count) {
  size_t begin = 0, end = 0;  // What goes.
  const size_t kept = static_cast<size_t>(node_.kept);
  switch (node_.keeps) {
    case Keeps::all:
    case Keeps::recent:
      break;
    case Keeps::totals:
      end = count;
      break;
    case Keeps::last_rows:
      end = count - std::min(kept, count);
      break;
    case Keeps::last_groups: {
      end = count;
      for (size_t groups = 0; end > 0; --end)
        if ((end == count || rows_.order_of(given[end - 1]) != rows_.order_of(given[end])) && groups++ == kept) break;
      break;
    }
    case Keeps::first_rows:
      begin = std::min(kept, count);
      end = count;
      break;
  }
  for (size_t i = begin; i < end; ++i) {
    rows_.remove(given[i]);
    rows_.forget(given[i]);
  }
  if (rows_.size(partition) == 0) rows_.erase_group(partition);
}

void OverOperator::erase(Slot row) {
  const Slot partition = rows_.rows().group_of(row);
  rows_.remove(row);
  rows_.forget(row);
  if (rows_.size(partition) == 0) rows_.erase_group(partition);
}

Result<> OverOperator::restored(EventTime watermark) {
  rows_.restored();
  given_ = watermark;
  waiting_.clear();
  expiring_.clear();
  for (Slot row : rows_.rows().rows().slots())
    if (!is_given(row))
      push(waiting_, {time_of(row), row});
    else if (node_.keeps == Keeps::recent)
      push(expiring_, {expiry_of(row), row});
  return {};
}

}  // namespace headrace
