#include "ops/top_n.h"

#include <algorithm>
#include <cstring>

#include "ops/keys.h"
#include "ops/times.h"
#include "ops/waiting.h"

namespace headrace {
namespace {

RankedRows::Spec spec_of(const TopNNode& node) {
  RankedRows::Spec out;
  out.name = "top";
  const size_t width = node.output.columns.size() - (node.rank_output ? 1 : 0);
  for (size_t i = 0; i < width; ++i) out.columns.push_back(node.output.columns[i].type);
  out.key = node.partition;
  out.order = node.order;
  out.last_first = node.last_first;
  out.group_bytes = node.window_end ? sizeof(int64_t) : 0;
  return out;
}

template <class T>
T& at_slot(std::vector<T>& items, Slot slot) {
  if (slot >= items.size()) items.resize(std::max<size_t>(slot + 1, items.size() * 2));
  return items[slot];
}

}  // namespace

/// Gathers changes into batches. Rows that are taken out of the state wait until they have been told.
class TopNOperator::Changes {
 public:
  Changes(TopNOperator& of, Emitter& out) : of_(of), out_(out) {}

  void stamp(int64_t stamp_ms) { stamp_ms_ = stamp_ms; }
  /// What follows may go into another batch than what stands.
  Result<> part() { return rows_.size() + 2 > static_cast<size_t>(rows_per_batch) ? flush() : Result<>{}; }
  void add(Ranked row, int32_t diff) {
    rows_.push_back(row.row);
    ranks_.push_back(row.rank);
    diffs_.push_back(diff);
    if (of_.node_.window_end) stamps_.push_back(stamp_ms_);
    retracts_ |= diff < 0;
  }
  void forget(Slot row) { forgotten_.push_back(row); }

  /// Emits what is left and frees what was taken out.
  Result<> finish() {
    HEADRACE_TRY(flush());
    for (Slot row : forgotten_) of_.rows_.forget(row);
    forgotten_.clear();
    return {};
  }

 private:
  Result<> flush() {
    if (rows_.empty()) return {};
    Batch batch = Batch::make(of_.schema_, rows_.size());
    for (size_t i = 0; i < of_.width_; ++i) of_.rows_.rows().gather(i, rows_.data(), rows_.size(), batch.chunk.data[i]);
    if (of_.node_.rank_output)
      std::copy(ranks_.begin(), ranks_.end(), duckdb::FlatVector::GetData<int64_t>(batch.chunk.data[of_.width_]));
    batch.chunk.SetCardinality(rows_.size());
    if (retracts_) batch.diffs = diffs_;
    batch.stamps_ms = stamps_;
    rows_.clear();
    ranks_.clear();
    diffs_.clear();
    stamps_.clear();
    retracts_ = false;
    return out_.emit(std::move(batch), 0);
  }

  TopNOperator& of_;
  Emitter& out_;
  std::vector<Slot> rows_, forgotten_;
  std::vector<int64_t> ranks_, stamps_;
  std::vector<int32_t> diffs_;
  int64_t stamp_ms_ = 0;
  bool retracts_ = false;
};

TopNOperator::TopNOperator(const TopNNode& node, const OperatorContext& context)
    : node_(node),
      sessions_(node.window_end && context.output_of(node.inputs[0]).columns[*node.window_end].window_ms == 0),
      schema_(node.output.schema()),
      width_(schema_->size() - (node.rank_output ? 1 : 0)),
      capacity_(node.offset + node.limit),
      by_place_(node.rank == TopNNode::Rank::row_number && (node.rank_output || node.limit == 1)),
      rows_(spec_of(node)) {}

/// The rows whose window is open still. Fills ends_.
Batch TopNOperator::without_late(Batch batch, Emitter& out) {
  read_times(batch, *node_.window_end, ends_);
  std::vector<uint32_t> late, kept;
  for (uint32_t row = 0; row < ends_.size(); ++row) {
    int64_t stamp = batch.stamps_ms.empty() ? closed_.ms : batch.stamps_ms[row];
    if (!sessions_) stamp = std::max(stamp, closed_.ms);
    if (ends_[row] == no_time)
      ++out.counters.filtered;
    else
      (ends_[row] - 1 <= stamp ? late : kept).push_back(row);
  }
  if (!late.empty()) {
    out.counters.late += static_cast<int64_t>(late.size());
    out.late(batch, late);
  }
  if (kept.size() == ends_.size()) return batch;
  batch = batch.slice(kept);
  read_times(batch, *node_.window_end, ends_);
  return batch;
}

Result<> TopNOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  if (node_.window_end) batch = without_late(std::move(batch), out);
  const size_t rows = static_cast<size_t>(batch.rows());
  out.counters.passed += batch.rows();
  if (rows == 0 || capacity_ == 0) return {};
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  take_keys(batch, node_.partition, keys, hashes);
  Slot partitions[STANDARD_VECTOR_SIZE];
  rows_.rows().find_or_create(keys, hashes, rows, partitions);
  if (node_.window_end)
    for (size_t row = 0; row < rows; ++row) open(partitions[row], ends_[row]);
  SortKeys order = rows_.keys_of(batch.chunk);
  std::vector<uint32_t> added, taken_back;
  for (uint32_t row = 0; row < rows; ++row) {
    const int32_t diff = batch.diff(row);
    if (diff < 0)
      taken_back.insert(taken_back.end(), static_cast<size_t>(-diff), row);
    else if (node_.keeps_all_rows || has_place(partitions[row], order[row]))
      added.insert(added.end(), static_cast<size_t>(diff), row);
  }
  add_rows(batch, order, added, hashes, partitions);
  take_back(batch, order, taken_back, partitions);
  return {};
}

/// Adds rows of the batch; a row may come several times.
void TopNOperator::add_rows(Batch& batch, SortKeys& order, const std::vector<uint32_t>& rows, const uint64_t* hashes,
                            const Slot* partitions) {
  Slot slots[STANDARD_VECTOR_SIZE];
  if (static_cast<int64_t>(rows.size()) == batch.rows() && batch.inserts_only()) {
    rows_.add(batch.chunk, order, hashes, rows.size(), partitions, slots);
  } else {
    for (size_t at = 0; at < rows.size(); at += rows_per_batch) {
      const size_t count = std::min<size_t>(rows_per_batch, rows.size() - at);
      const std::vector<uint32_t> part(rows.begin() + static_cast<long>(at),
                                       rows.begin() + static_cast<long>(at + count));
      uint64_t part_hashes[STANDARD_VECTOR_SIZE];
      Slot part_partitions[STANDARD_VECTOR_SIZE];
      for (size_t i = 0; i < count; ++i) {
        part_hashes[i] = hashes[part[i]];
        part_partitions[i] = partitions[part[i]];
      }
      Batch some = batch.slice(part);
      SortKeys some_order = rows_.keys_of(some.chunk);
      rows_.add(some.chunk, some_order, part_hashes, count, part_partitions, slots);
    }
  }
  for (uint32_t row : rows) {
    touch(partitions[row]);
    ++partitions_[partitions[row]].added;
    if (!node_.keeps_all_rows) drop_behind_limit(partitions[row]);
  }
}

void TopNOperator::take_back(Batch& batch, SortKeys& order, const std::vector<uint32_t>& rows, const Slot* partitions) {
  if (rows.empty()) return;
  DataChunk stored;
  rows_.stored(batch.chunk, order, stored);
  const ChunkRows columns(stored, stored.size());
  for (uint32_t row : rows) {
    touch(partitions[row]);
    const Slot found = rows_.find_equal(partitions[row], columns, order[row], row);
    if (found != missing_slot) drop(found);
  }
}

/// True when a row with this order would be within the limit.
bool TopNOperator::has_place(Slot partition, std::string_view order) const {
  if (static_cast<int64_t>(rows_.size(partition)) < capacity_) return true;
  const int compared = order.compare(rows_.order_of(rows_.last(partition)));
  return compared < 0 || (compared == 0 && (node_.last_first || node_.rank == TopNNode::Rank::rank));
}

void TopNOperator::drop_behind_limit(Slot partition) {
  while (static_cast<int64_t>(rows_.size(partition)) > capacity_) {
    const Slot last = rows_.last(partition);
    // Rows of one rank go together, or not at all.
    if (node_.rank == TopNNode::Rank::rank &&
        static_cast<int64_t>(rows_.rows_before(partition, rows_.order_of(last))) < capacity_)
      return;
    drop(last);
  }
}

void TopNOperator::drop(Slot row) {
  rows_.remove(row);
  RowState& state = at_slot(states_, row);
  if (state.told == 0) return rows_.forget(row);
  Partition& partition = partitions_[rows_.rows().group_of(row)];
  state.next_gone_plus_one = partition.gone_plus_one;
  partition.gone_plus_one = row + 1;
}

void TopNOperator::touch(Slot partition) {
  Partition& own = at_slot(partitions_, partition);
  if (own.touched || tells_on_close()) return;
  own.touched = true;
  touched_.push_back(partition);
}

void TopNOperator::open(Slot partition, int64_t end) {
  Partition& own = at_slot(partitions_, partition);
  if (own.open) return;
  own.open = true;
  open_[end].push_back(partition);
  std::memcpy(rows_.rows().group_plain(partition), &end, sizeof(end));
}

int64_t TopNOperator::end_of(Slot partition) const {
  int64_t end = 0;
  std::memcpy(&end, rows_.rows().read_group_plain(partition), sizeof(end));
  return end;
}

/// An order that depends neither on arrival nor on the number of shards.
std::vector<Slot> TopNOperator::in_hash_order(const std::vector<Slot>& partitions) const {
  std::vector<std::pair<uint64_t, Slot>> hashed;
  hashed.reserve(partitions.size());
  for (Slot partition : partitions) hashed.emplace_back(rows_.rows().groups().hash(partition), partition);
  std::sort(hashed.begin(), hashed.end());
  std::vector<Slot> out;
  out.reserve(hashed.size());
  for (const auto& [hash, partition] : hashed) out.push_back(partition);
  return out;
}

bool TopNOperator::same_row(Slot a, Slot b) const {
  const Table& table = rows_.rows().rows();
  return a == b || same_columns(table.layout(), table.address(a), table.layout(), table.address(b), width_);
}

/// Fills result_ with what the partition gives now, and told_ with what was told of it.
void TopNOperator::read_result(Slot partition) {
  result_.clear();
  told_.clear();
  Partition& own = partitions_[partition];
  const bool ties = node_.rank == TopNNode::Rank::rank;
  // A row that was told has moved back by no more than the rows that were added.
  rows_.first(partition, ties ? rows_.size(partition) : static_cast<size_t>(capacity_) + own.added, order_);
  uint32_t rank = 0;
  for (size_t place = 0; place < order_.size(); ++place) {
    const Slot row = order_[place];
    if (!ties || place == 0 || rows_.order_of(row) != rows_.order_of(order_[place - 1]))
      rank = static_cast<uint32_t>(place) + 1;
    if (at_slot(states_, row).told) told_.push_back({row, states_[row].told});
    // Without a rank in the output a row that moves is the same row.
    if (rank > node_.offset && rank <= capacity_) result_.push_back({row, node_.rank_output ? rank : 1});
  }
  for (Slot row = own.gone_plus_one; row != 0; row = states_[row - 1].next_gone_plus_one)
    told_.push_back({row - 1, states_[row - 1].told});
}

Result<> TopNOperator::tell(Slot partition, Changes& changes) {
  read_result(partition);
  HEADRACE_TRY(by_place_ ? tell_by_place(changes) : tell_by_row(changes));
  for (const Ranked& was : told_) states_[was.row].told = 0;
  for (const Ranked& is : result_) states_[is.row].told = is.rank;
  Partition& own = partitions_[partition];
  for (Slot row = own.gone_plus_one; row != 0;) {
    RowState& state = states_[row - 1];
    changes.forget(row - 1);
    row = std::exchange(state.next_gone_plus_one, 0);
  }
  own.gone_plus_one = 0;
  own.added = 0;
  own.touched = false;
  return {};
}

/// The row of a place is replaced: old and new are neighbours.
Result<> TopNOperator::tell_by_place(Changes& changes) {
  std::sort(told_.begin(), told_.end(), [](const Ranked& a, const Ranked& b) { return a.rank < b.rank; });
  auto was = told_.begin();
  auto is = result_.begin();
  while (was != told_.end() || is != result_.end()) {
    HEADRACE_TRY(changes.part());
    const bool old = was != told_.end() && (is == result_.end() || was->rank <= is->rank);
    const bool young = is != result_.end() && (was == told_.end() || is->rank <= was->rank);
    if (!(old && young && same_row(was->row, is->row))) {
      if (old) changes.add(*was, -1);
      if (young) changes.add(*is, +1);
    }
    was += old;
    is += young;
  }
  return {};
}

Result<> TopNOperator::tell_by_row(Changes& changes) {
  for (const Ranked& is : result_) states_[is.row].now = is.rank;
  for (const Ranked& was : told_) {
    if (states_[was.row].now == was.rank) continue;
    HEADRACE_TRY(changes.part());
    changes.add(was, -1);
  }
  for (const Ranked& is : result_) {
    states_[is.row].now = 0;
    if (states_[is.row].told == is.rank) continue;
    HEADRACE_TRY(changes.part());
    changes.add(is, +1);
  }
  return {};
}

Result<> TopNOperator::on_watermark(EventTime time, Emitter& out) {
  if (!node_.window_end) return {};
  const bool overdue = !open_.empty() && open_.begin()->first - 1 <= closed_.ms;
  if (time <= closed_ && !overdue) return {};
  closed_ = std::max(closed_, time);
  Changes changes(*this, out);
  std::vector<Slot> closed;
  while (!open_.empty() && open_.begin()->first - 1 <= closed_.ms) {
    changes.stamp(open_.begin()->first - 2);
    for (Slot partition : in_hash_order(open_.begin()->second)) {
      HEADRACE_TRY(tell(partition, changes));
      closed.push_back(partition);
    }
    open_.erase(open_.begin());
  }
  HEADRACE_TRY(changes.finish());
  for (Slot partition : closed) {
    rows_.first(partition, rows_.size(partition), order_);
    for (Slot row : order_) states_[row] = {};
    rows_.erase_group(partition);
    partitions_[partition] = {};
  }
  return {};
}

EventTime TopNOperator::last_due() const {
  for (auto window = open_.rbegin(); window != open_.rend(); ++window)
    for (Slot partition : window->second)
      if (rows_.size(partition) > 0) return EventTime{window->first - 1};
  return EventTime::min();
}

Result<> TopNOperator::on_tick_end(const TickInfo&, Emitter& out) {
  Changes changes(*this, out);
  std::vector<Slot> touched;
  for (Slot partition : std::exchange(touched_, {}))
    if (partitions_[partition].touched) touched.push_back(partition);
  touched = in_hash_order(touched);
  for (Slot partition : touched) {
    if (node_.window_end) changes.stamp(end_of(partition) - 2);
    HEADRACE_TRY(tell(partition, changes));
  }
  HEADRACE_TRY(changes.finish());
  for (Slot partition : touched)
    if (rows_.size(partition) == 0 && !partitions_[partition].open) rows_.erase_group(partition);
  return {};
}

/// Of the window whose partitions these are, if its rows say so.
std::optional<EventTime> TopNOperator::window_start(const std::vector<Slot>& partitions) {
  const std::optional<size_t> column = node_.output.find_role(TimeRole::window_start);
  for (Slot partition : partitions) {
    rows_.first(partition, 1, order_);
    if (!column || order_.empty()) continue;
    const Table& table = rows_.rows().rows();
    const char* value = table.address(order_.front()) + table.layout().offsets[*column];
    return EventTime::from_us(*reinterpret_cast<const int64_t*>(value));
  }
  return std::nullopt;
}

Result<> TopNOperator::tell_waiting(WaitingReport& report) {
  for (const auto& [end, partitions] : open_) {
    const std::optional<EventTime> start = window_start(partitions);
    if (report.start && report.start != start) continue;
    ++report.parts_open;
    if (report.parts.size() == report.parts_max) continue;
    WaitingReport::Part& part = report.parts.emplace_back();
    part.start = start;
    part.due = EventTime{end - 1};
    Gathered now;
    Changes changes(*this, now);
    for (Slot partition : in_hash_order(partitions)) {
      part.rows += static_cast<int64_t>(rows_.size(partition));
      read_result(partition);
      part.results += static_cast<int64_t>(result_.size());
      for (const Ranked& row : result_) {
        if (static_cast<size_t>(part.results) > report.results_max) break;
        HEADRACE_TRY(changes.part());
        changes.add(row, +1);
      }
    }
    HEADRACE_TRY(changes.finish());
    part.now = std::move(now.batches);
  }
  return {};
}

Result<> TopNOperator::restored(EventTime watermark) {
  rows_.restored();
  closed_ = watermark;
  partitions_.clear();
  states_.clear();
  touched_.clear();
  open_.clear();
  for (Slot partition : rows_.rows().groups().slots()) {
    Partition& own = at_slot(partitions_, partition);
    if (node_.window_end) {
      own.open = true;
      open_[end_of(partition)].push_back(partition);
    }
    if (tells_on_close()) continue;
    // A checkpoint lies between ticks: all that there is was told.
    read_result(partition);
    for (const Ranked& is : result_) states_[is.row].told = is.rank;
  }
  return {};
}

}  // namespace headrace
