#include "ops/match.h"

#include <algorithm>
#include <cstring>

#include "ops/failing.h"
#include "ops/keys.h"
#include "ops/times.h"
#include "ops/waiting.h"

namespace headrace {
namespace {

using State = PatternSearch::State;

/// Where a value's row lies among the rows of its variable, counted from the start.
std::optional<size_t> place_of(const PatternValue& value, PatternSearch::Rows rows) {
  const int64_t place =
      value.kind == MatchValue::Kind::first ? int64_t{rows.begin} + value.offset : int64_t{rows.end} - 1 - value.offset;
  if (place < rows.begin || place >= rows.end) return std::nullopt;
  return static_cast<size_t>(place);
}

}  // namespace

/// A condition that reads earlier rows, with the partitions that ask it. They are answered together.
struct MatchOperator::Condition {
  std::vector<size_t> values;  ///< Of node_.read; the columns of `batch`.
  RowEvaluator evaluator;
  Batch batch;
  std::vector<Searched*> questions;

  Condition(EvaluationContext& evaluation, const Expr& condition, const MatchNode& node)
      : values(condition.columns()),
        evaluator(evaluation, {condition.remap(places(node.read.size()))}, failing_of(node)) {
    std::vector<Field> fields;
    for (size_t value : values) fields.push_back({"", node.read[value].type, true});
    batch.schema = std::make_shared<Schema>(std::move(fields));
    batch.chunk.Initialize(duckdb::Allocator::DefaultAllocator(), batch.schema->types());
  }
  /// Where each value read stands among those that this condition reads.
  std::vector<size_t> places(size_t count) const {
    std::vector<size_t> out(count);
    for (size_t i = 0; i < values.size(); ++i) out[values[i]] = i;
    return out;
  }
};

/// An aggregate over rows that are kept.
struct MatchOperator::Aggregator {
  BagFunction function;
  size_t column;
  DataChunk argument;

  Aggregator(EvaluationContext& evaluation, const PatternValue& value, const LogicalType& type)
      : function(evaluation, value.call), column(value.argument) {
    argument.Initialize(duckdb::Allocator::DefaultAllocator(), {type});
  }
};

MatchOperator::MatchOperator(const MatchNode& node, const OperatorContext& context)
    : node_(node),
      input_schema_(context.output_of(node.inputs[0]).schema()),
      schema_(node.output.schema()),
      kept_({"waiting", input_schema_->types(), node.partition}),
      null_row_(kept_.rows().layout().width, 1) {
  for (const MatchedVariable& variable : node.pattern) {
    pattern_.push_back({variable.min, variable.max, variable.reluctant});
    conditions_.emplace_back();
    if (variable.condition.empty()) continue;
    by_row_ = false;
    conditions_.back() = std::make_unique<Condition>(context.evaluation, variable.condition, node);
  }
  for (const std::vector<PatternValue>* values : {&node_.read, &node_.outputs})
    for (const PatternValue& value : *values)
      aggregators_.push_back(
          value.kind == MatchValue::Kind::aggregate
              ? std::make_unique<Aggregator>(context.evaluation, value, input_schema_->types()[value.argument])
              : nullptr);
}

MatchOperator::~MatchOperator() = default;

Result<> MatchOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  std::vector<int64_t> times;
  read_times(batch, node_.time_column, times);
  std::vector<uint32_t> taken, late;
  for (uint32_t row = 0; row < times.size(); ++row) {
    const int64_t stamp = batch.stamps_ms.empty() ? passed_.ms : std::max(batch.stamps_ms[row], passed_.ms);
    if (times[row] == no_time)
      ++out.counters.filtered;
    else
      (times[row] <= stamp ? late : taken).push_back(row);
  }
  if (!late.empty()) {
    out.counters.late += static_cast<int64_t>(late.size());
    out.late(batch, late);
  }
  if (taken.empty()) return {};
  if (taken.size() < times.size()) batch = batch.slice(taken);
  DataChunk keys;
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  Slot groups[STANDARD_VECTOR_SIZE], slots[STANDARD_VECTOR_SIZE];
  take_keys(batch, node_.partition, keys, hashes);
  kept_.add(batch.chunk, keys, hashes, taken.size(), groups, slots);
  for (size_t i = 0; i < taken.size(); ++i) add(groups[i], slots[i]);
  out.counters.held += static_cast<int64_t>(taken.size());
  return {};
}

void MatchOperator::add(Slot group, Slot row) {
  if (group >= partitions_.size()) partitions_.resize(group + 1);
  if (!partitions_[group])
    partitions_[group] =
        std::make_unique<Partition>(Partition{{}, 0, INT64_MAX, INT64_MIN, PatternSearch(pattern_, by_row_)});
  const int64_t time_ms = time_of(row);
  partitions_[group]->rows.push_back({time_ms, row});
  if (time_ms < partitions_[group]->wake_ms) wake_at(group, time_ms);
}

void MatchOperator::wake_at(Slot group, int64_t time_ms) {
  partitions_[group]->wake_ms = time_ms;
  wakes_.push({time_ms, group});
}

/// The partitions with something to do, in an order that does not depend on the number of shards.
std::vector<Slot> MatchOperator::take_due() {
  std::vector<Slot> out;
  for (; !wakes_.empty() && wakes_.top().time_ms <= passed_.ms; wakes_.pop()) {
    const Wake wake = wakes_.top();
    Partition* partition = partitions_[wake.group].get();
    if (partition == nullptr || partition->wake_ms != wake.time_ms) continue;  // It was woken earlier.
    partition->wake_ms = INT64_MIN;
    out.push_back(wake.group);
  }
  std::sort(out.begin(), out.end(), [&](Slot a, Slot b) { return kept_.groups().hash(a) < kept_.groups().hash(b); });
  return out;
}

/// Rows that arrived since are brought into order; those passed by the watermark stay where they now are.
void MatchOperator::order_rows(Partition& partition) {
  const auto begin = partition.rows.begin() + static_cast<std::ptrdiff_t>(partition.due);
  std::stable_sort(begin, partition.rows.end(), [&](const Row& a, const Row& b) {
    if (a.time_ms != b.time_ms || !node_.sort_column) return a.time_ms < b.time_ms;
    return sort_key(a.slot) < sort_key(b.slot);
  });
  const auto due =
      std::partition_point(begin, partition.rows.end(), [&](const Row& row) { return row.time_ms <= passed_.ms; });
  partition.due = static_cast<size_t>(due - partition.rows.begin());
}

Result<> MatchOperator::on_watermark(EventTime time, Emitter& out) {
  passed_ = std::max(passed_, time);
  const std::vector<Slot> groups = take_due();
  if (groups.empty()) return {};
  std::vector<Searched> all;
  for (Slot group : groups) {
    order_rows(*partitions_[group]);
    all.push_back({partitions_[group].get(), {}});
  }
  HEADRACE_TRY(search(all, out));
  std::vector<const Match*> matches;
  for (const Searched& searched : all)
    for (const Match& match : searched.matches) matches.push_back(&match);
  HEADRACE_TRY(give_out(matches, out));
  settle(groups, out);
  return {};
}

/// The end of time ends all matches that are in progress: no row up to now can be part of a later one.
Result<EventTime> MatchOperator::on_time_end(Emitter& out) {
  EventTime last = passed_;
  for (const auto& partition : partitions_)
    if (partition)
      for (const Row& row : partition->rows) last = std::max(last, EventTime{row.time_ms});
  HEADRACE_TRY(on_watermark(EventTime::max(), out));
  return passed_ = last;
}

/// Goes on with all partitions side by side, so that their questions are answered in batches.
Result<> MatchOperator::search(std::vector<Searched>& all, Emitter& out) {
  std::vector<Searched*> active;
  for (Searched& searched : all) active.push_back(&searched);
  while (!active.empty()) {
    std::vector<Searched*> asking;
    for (Searched* searched : active) {
      search_until_asked(*searched);
      const PatternSearch& search = searched->partition->search;
      if (search.state() != State::asking) continue;
      conditions_[search.variable()]->questions.push_back(searched);
      asking.push_back(searched);
    }
    for (auto& condition : conditions_)
      if (condition && !condition->questions.empty()) HEADRACE_TRY(answer(*condition, out));
    active = std::move(asking);
  }
  return {};
}

/// Goes on until a condition must be evaluated, or no row is left that is due.
void MatchOperator::search_until_asked(Searched& searched) {
  Partition& partition = *searched.partition;
  PatternSearch& search = partition.search;
  for (;;) {
    switch (search.state()) {
      case State::ready:
        if (!can_go_on(partition)) {
          const int64_t over_ms =
              node_.within_ms > 0 ? partition.rows.front().time_ms + node_.within_ms - 1 : EventTime::max().ms;
          partition.known_ms = std::max(partition.known_ms, over_ms);
          let_go(partition, 1);
        } else if (search.row() < partition.due) {
          partition.known_ms = std::max(partition.known_ms, partition.rows[search.row()].time_ms);
          search.look();
        } else {
          return;
        }
        break;
      case State::asking: {
        const MatchedVariable& variable = node_.pattern[search.variable()];
        if (!variable.condition.empty()) return;
        search.answer(!variable.row_condition || is_true(partition.rows[search.row()].slot, *variable.row_condition));
        break;
      }
      case State::matched:
        searched.matches.push_back(match_of(partition));
        let_go(partition, rows_to_skip(search));
        break;
      case State::failed:
        let_go(partition, 1);
        break;
    }
  }
}

/// False when the row that comes next, or can come at all, is too far behind the first of the match.
bool MatchOperator::can_go_on(const Partition& partition) const {
  if (partition.due == 0) return true;
  const int64_t start_ms = partition.rows.front().time_ms;
  const size_t next = partition.search.row();
  if (next < partition.due) return node_.within_ms == 0 || partition.rows[next].time_ms - start_ms < node_.within_ms;
  if (passed_ == EventTime::max()) return false;
  return node_.within_ms == 0 || passed_.ms + 1 - start_ms < node_.within_ms;
}

MatchOperator::Match MatchOperator::match_of(const Partition& partition) const {
  Match out;
  for (size_t row = 0; row <= partition.search.row(); ++row) out.rows.push_back(partition.rows[row].slot);
  for (size_t variable = 0; variable < pattern_.size(); ++variable)
    out.variables.push_back(partition.search.rows_of(variable));
  out.known_ms = partition.known_ms;
  return out;
}

size_t MatchOperator::rows_to_skip(const PatternSearch& search) const {
  const PatternSearch::Rows target = search.rows_of(node_.after_variable);
  switch (node_.after) {
    case AfterMatch::past_last_row:
      return search.row() + 1;
    case AfterMatch::to_first:
      return target.begin;
    case AfterMatch::to_last:
      return target.end - 1;
    case AfterMatch::to_next_row:
      break;
  }
  return 1;
}

/// Begins a new search `rows` rows further on.
void MatchOperator::let_go(Partition& partition, size_t rows) {
  for (size_t i = 0; i < rows; ++i) {
    gone_.push_back(partition.rows.front().slot);
    partition.rows.pop_front();
  }
  partition.due -= rows;
  partition.search.start();
}

/// Answers up to all questions of a condition; a row on which it fails is taken out of its partition.
Result<> MatchOperator::answer(Condition& condition, Emitter& out) {
  const std::vector<Searched*> all = std::exchange(condition.questions, {});
  for (size_t first = 0; first < all.size(); first += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, all.size() - first);
    std::vector<std::optional<Error>> failed(count);
    condition.batch.chunk.Reset();
    for (size_t column = 0; column < condition.values.size(); ++column) {
      const PatternValue& value = node_.read[condition.values[column]];
      std::vector<Slot> slots(count, missing_slot);
      for (size_t i = 0; i < count; ++i) {
        const Partition& partition = *all[first + i]->partition;
        const PatternSearch::Rows rows = partition.search.rows_of(value.variable);
        if (Aggregator* aggregator = aggregators_[condition.values[column]].get()) {
          std::vector<Slot> over;
          for (size_t row = rows.begin; row < rows.end; ++row) over.push_back(partition.rows[row].slot);
          if (Result<> done = aggregate(*aggregator, over, condition.batch.chunk.data[column], i); !done)
            failed[i] = std::move(done).error();
        } else if (std::optional<size_t> place = place_of(value, rows)) {
          slots[i] = partition.rows[*place].slot;
        }
      }
      if (value.kind != MatchValue::Kind::aggregate) gather(value.argument, slots, condition.batch.chunk.data[column]);
    }
    condition.batch.chunk.SetCardinality(count);
    std::vector<uint32_t> holds;
    HEADRACE_TRY(condition.evaluator.select(condition.batch, holds,
                                            [&](uint32_t row, const Error& reason) { failed[row] = reason; }));
    std::vector<uint8_t> answers(count);
    for (uint32_t row : holds) answers[row] = 1;
    for (size_t i = 0; i < count; ++i) {
      Partition& partition = *all[first + i]->partition;
      if (failed[i])
        reject(partition, *failed[i], out);
      else
        partition.search.answer(answers[i]);
    }
  }
  return {};
}

/// Takes the row at hand out of its partition, into the quarantine.
void MatchOperator::reject(Partition& partition, const Error& reason, Emitter& out) {
  const auto place = partition.rows.begin() + partition.search.row();
  const std::vector<Slot> row{place->slot};
  Batch batch = Batch::make(input_schema_, 1);
  for (size_t column = 0; column < batch.chunk.ColumnCount(); ++column) gather(column, row, batch.chunk.data[column]);
  batch.chunk.SetCardinality(1);
  out.reject(batch, 0, reason);
  ++out.counters.quarantined;
  --out.counters.passed;  // It is counted when it goes.
  gone_.push_back(place->slot);
  partition.rows.erase(place);
  --partition.due;
  partition.search.row_is_gone();
}

/// Gives matches out in the order in which they were known, so that it does not depend on how the ticks are cut. Where
/// matches wait, batches are cut by it, too, and then it does not depend on the number of shards either.
Result<> MatchOperator::give_out(std::vector<const Match*> matches, Emitter& out) {
  std::stable_sort(matches.begin(), matches.end(),
                   [](const Match* a, const Match* b) { return a->known_ms < b->known_ms; });
  for (size_t first = 0; first < matches.size();) {
    size_t count = std::min<size_t>(rows_per_batch, matches.size() - first);
    for (size_t i = 1; i < count && node_.hold_ms > 0; ++i)
      if (matches[first + i]->known_ms != matches[first]->known_ms) count = i;
    HEADRACE_TRY(emit(&matches[first], count, out));
    first += count;
  }
  return {};
}

Result<> MatchOperator::emit(const Match* const* matches, size_t count, Emitter& out) {
  Batch batch = Batch::make(schema_, count);
  if (node_.hold_ms > 0) batch.ordinal = Ordinal{static_cast<uint64_t>(matches[0]->known_ms) ^ uint64_t{1} << 63};
  std::vector<std::optional<Error>> failed(count);
  for (size_t column = 0; column < node_.outputs.size(); ++column) {
    const PatternValue& value = node_.outputs[column];
    std::vector<Slot> slots(count, missing_slot);
    for (size_t i = 0; i < count; ++i) {
      const Match& match = *matches[i];
      const PatternSearch::Rows rows = value.variable
                                           ? match.variables[*value.variable]
                                           : PatternSearch::Rows{0, static_cast<uint32_t>(match.rows.size())};
      if (Aggregator* aggregator = aggregators_[node_.read.size() + column].get()) {
        const std::vector<Slot> over(match.rows.begin() + rows.begin, match.rows.begin() + rows.end);
        if (Result<> done = aggregate(*aggregator, over, batch.chunk.data[column], i); !done)
          failed[i] = std::move(done).error();
      } else if (std::optional<size_t> place = place_of(value, rows)) {
        slots[i] = match.rows[*place];
      }
    }
    if (value.kind != MatchValue::Kind::aggregate) gather(value.argument, slots, batch.chunk.data[column]);
  }
  batch.chunk.SetCardinality(count);
  // A match is never late for what comes next: the watermark before it had not passed its last row.
  for (size_t i = 0; i < count; ++i) batch.stamps_ms.push_back(time_of(matches[i]->rows.back()) - 1);
  std::vector<uint32_t> good;
  for (uint32_t i = 0; i < count; ++i)
    if (failed[i])
      out.reject(batch, i, *failed[i]);
    else
      good.push_back(i);
  if (good.empty()) return {};
  return out.emit(good.size() == count ? std::move(batch) : batch.slice(good), 0);
}

/// Erases what went, and says when each partition is to be looked at again.
void MatchOperator::settle(const std::vector<Slot>& groups, Emitter& out) {
  for (Slot row : gone_) kept_.erase(row);
  out.counters.held -= static_cast<int64_t>(gone_.size());
  out.counters.passed += static_cast<int64_t>(gone_.size());
  gone_.clear();
  for (Slot group : groups) {
    const Partition& partition = *partitions_[group];
    if (partition.rows.empty()) {
      kept_.erase_group(group);
      partitions_[group].reset();
      continue;
    }
    int64_t wake_ms = partition.due < partition.rows.size() ? partition.rows[partition.due].time_ms : INT64_MAX;
    if (partition.due > 0 && node_.within_ms > 0)
      wake_ms = std::min(wake_ms, partition.rows.front().time_ms + node_.within_ms - 1);
    wake_at(group, wake_ms);
  }
}

Result<> MatchOperator::aggregate(Aggregator& aggregator, const std::vector<Slot>& rows, Vector& out, size_t place) {
  aggregator.function.reset();
  for (size_t first = 0; first < rows.size(); first += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, rows.size() - first);
    aggregator.argument.Reset();
    kept_.gather(aggregator.column, &rows[first], count, aggregator.argument.data[0]);
    aggregator.argument.SetCardinality(count);
    HEADRACE_TRY(aggregator.function.add(aggregator.argument));
  }
  Result<> done = aggregator.function.result(out, place);
  if (done || node_.on_error != OnError::null) return done;
  duckdb::FlatVector::SetNull(out, place, true);
  return {};
}

/// Writes a column of rows, NULL where there is none.
void MatchOperator::gather(size_t column, const std::vector<Slot>& slots, Vector& out) const {
  const char* addresses[STANDARD_VECTOR_SIZE];
  for (size_t i = 0; i < slots.size(); ++i)
    addresses[i] = slots[i] == missing_slot ? null_row_.data() : kept_.rows().address(slots[i]);
  gather_column(kept_.rows().layout(), column, addresses, slots.size(), out);
}

bool MatchOperator::is_true(Slot slot, size_t column) const {
  const char* row = kept_.rows().address(slot);
  return row[sizeof(uint64_t) + column] == 0 && row[kept_.rows().layout().offsets[column]] != 0;
}

int64_t MatchOperator::time_of(Slot slot) const {
  int64_t us = 0;
  std::memcpy(&us, kept_.rows().address(slot) + kept_.rows().layout().offsets[node_.time_column], sizeof(us));
  return EventTime::from_us(us).ms;
}

std::string_view MatchOperator::sort_key(Slot slot) const {
  const auto* text = reinterpret_cast<const duckdb::string_t*>(kept_.rows().address(slot) +
                                                               kept_.rows().layout().offsets[*node_.sort_column]);
  return {text->GetData(), text->GetSize()};
}

/// Rows that are in their order for good wait as well: for those that may go on their match.
Result<> MatchOperator::tell_waiting(WaitingReport& report) {
  int64_t rows = 0, first = INT64_MAX;
  for (const auto& partition : partitions_) {
    if (!partition) continue;
    rows += static_cast<int64_t>(partition->rows.size());
    first = std::min(first, partition->wake_ms);
  }
  tell_rows(report, rows, first);
  return {};
}

Result<> MatchOperator::restored(EventTime watermark) {
  passed_ = watermark;
  kept_.restored();
  partitions_.clear();
  wakes_ = {};
  for (Slot group : kept_.groups().slots())
    for (Slot row = kept_.first(group); row != missing_slot; row = kept_.next(row)) add(group, row);
  return {};
}

}  // namespace headrace
