#include "ops/accumulators.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <set>

#include "duck/lists.h"
#include "duck/rows.h"
#include "ops/wide.h"
#include "udf/call_each.h"

namespace headrace {
namespace {

using duckdb::FlatVector;
using duckdb::hugeint_t;
using duckdb::PhysicalType;
using duckdb::UnifiedVectorFormat;
// A row's plain bytes are 8-byte aligned; so is all that lies in them.
typedef __int128 HeldWide __attribute__((aligned(8)));

/// What windows share of it may lie beyond BIGINT, until the rest of a window brings it back: by `wraps` times 2^64.
struct IntegerSum {
  int64_t total;
  int64_t values : 44, wraps : 20;

  Wide exact() const { return (Wide{wraps} << 64) + total; }
};
struct WideSum {
  HeldWide total;
  int64_t values;
};
struct DoubleSum {
  double total;
  int64_t values;
};
struct Extreme {
  alignas(8) char value[16];
  int64_t seen;
};
size_t state_bytes(AggregateKind kind) {
  switch (kind) {
    case AggregateKind::count_star:
    case AggregateKind::count:
      return sizeof(int64_t);
    case AggregateKind::sum_integer:
      return sizeof(IntegerSum);
    case AggregateKind::sum_decimal:
    case AggregateKind::average:
      return sizeof(WideSum);
    case AggregateKind::sum_double:
    case AggregateKind::average_double:
      return sizeof(DoubleSum);
    case AggregateKind::minimum:
    case AggregateKind::maximum:
      return sizeof(Extreme);
    case AggregateKind::count_distinct:
    case AggregateKind::minimum_text:
    case AggregateKind::maximum_text:
    case AggregateKind::first:
    case AggregateKind::last:
    case AggregateKind::bag:
    case AggregateKind::function:
      return sizeof(BagHead);
    case AggregateKind::accumulator:
      return sizeof(int64_t);
  }
  return 0;
}

template <class T>
Wide widened(T value) {
  return value;
}
Wide widened(hugeint_t value) {
  return wide(value);
}

/// The order of MIN and MAX: NaN is the greatest number.
template <class T>
bool less(const T& a, const T& b) {
  if constexpr (std::is_floating_point_v<T>)
    if (std::isnan(a) || std::isnan(b)) return !std::isnan(a) && std::isnan(b);
  return a < b;
}

template <class T>
constexpr bool is_summed = (std::is_integral_v<T> && std::is_signed_v<T>) || std::is_same_v<T, hugeint_t>;

bool may_overflow(const Aggregate& aggregate) {
  return !aggregate.call.arguments.empty() && sum_may_overflow(aggregate.kind, aggregate.call.arguments[0].type());
}

Error sum_overflows(const Aggregate& aggregate) {
  const char* type = aggregate.kind == AggregateKind::sum_integer ? "BIGINT" : "DECIMAL(38)";
  return user_error(Code::expression_failed, aggregate.call.text + ": the sum overflows " + type);
}

constexpr Wide wide_max = static_cast<Wide>(~static_cast<unsigned __int128>(0) >> 1);

/// The sum of two; what is beyond 128 bits stays there.
Wide saturating_sum(Wide a, Wide b) {
  Wide total = 0;
  if (!__builtin_add_overflow(a, b, &total)) return total;
  return a > 0 ? wide_max : -wide_max;
}

/// Sets a sum to what may be more than its type holds.
void set_exactly(IntegerSum& sum, Wide total) {
  sum.total = static_cast<int64_t>(total);
  sum.wraps = static_cast<int64_t>((total - sum.total) >> 64);
}

/// Adds `diff` times a value to the sum at `state`; false, and nothing is added, when it would not hold that. What is
/// taken back always leaves: it was there.
template <class T>
bool add_if_it_fits(AggregateKind kind, T value, int32_t diff, char* state) {
  if (kind == AggregateKind::sum_integer) {
    IntegerSum& sum = *reinterpret_cast<IntegerSum*>(state);
    Wide change = 0, total = 0;
    if (__builtin_mul_overflow(widened(value), Wide{diff}, &change) ||
        __builtin_add_overflow(sum.exact(), change, &total) || (diff > 0 && total != static_cast<int64_t>(total)))
      return false;
    set_exactly(sum, total);
    sum.values += diff;
    return true;
  }
  WideSum& sum = *reinterpret_cast<WideSum*>(state);
  Wide change = 0, total = 0;
  if (__builtin_mul_overflow(widened(value), Wide{diff}, &change) ||
      __builtin_add_overflow(Wide{sum.total}, change, &total) ||
      (diff > 0 && kind == AggregateKind::sum_decimal && !is_decimal(total)))
    return false;
  sum.total = total;
  sum.values += diff;
  return true;
}

/// Takes out what was added before; exact, whatever came in between.
template <class T>
void take_out(AggregateKind kind, T value, int32_t diff, char* state) {
  const Wide change = widened(value) * diff;
  if (kind == AggregateKind::sum_integer) {
    IntegerSum& sum = *reinterpret_cast<IntegerSum*>(state);
    set_exactly(sum, sum.exact() - change);
    sum.values -= diff;
  } else {
    WideSum& sum = *reinterpret_cast<WideSum*>(state);
    sum.total = sum.total - change;
    sum.values -= diff;
  }
}

/// Calls body(row, value index) for each row that counts: not skipped, filter true, argument not NULL.
template <class Body>
void each_row(const Batch& batch, const Aggregate& aggregate, const UnifiedVectorFormat* argument,
              const std::vector<uint8_t>& skip, Body body) {
  const size_t rows = static_cast<size_t>(batch.rows());
  UnifiedVectorFormat filter;
  if (aggregate.filter) const_cast<DataChunk&>(batch.chunk).data[*aggregate.filter].ToUnifiedFormat(rows, filter);
  const bool plain = !aggregate.filter && (argument == nullptr || argument->validity.AllValid()) && skip.empty();
  for (size_t row = 0; row < rows; ++row) {
    size_t at = argument ? argument->sel->get_index(row) : 0;
    if (!plain) {
      if (!skip.empty() && skip[row]) continue;
      if (argument && !argument->validity.RowIsValid(at)) continue;
      if (aggregate.filter) {
        size_t flag = filter.sel->get_index(row);
        if (!filter.validity.RowIsValid(flag) || !reinterpret_cast<const bool*>(filter.data)[flag]) continue;
      }
    }
    body(row, at);
  }
}

template <class T, class State>
void add_numbers(char** plains, size_t offset, const Batch& batch, const Aggregate& aggregate,
                 const UnifiedVectorFormat& argument, const std::vector<uint8_t>& skip) {
  const T* values = reinterpret_cast<const T*>(argument.data);
  each_row(batch, aggregate, &argument, skip, [&](size_t row, size_t at) {
    State& state = *reinterpret_cast<State*>(plains[row] + offset);
    const int32_t diff = batch.diff(static_cast<int64_t>(row));
    if constexpr (std::is_same_v<State, DoubleSum>)
      state.total += static_cast<double>(values[at]) * diff;
    else
      state.total += widened(values[at]) * diff;
    state.values += diff;
  });
}

template <class State>
void add_wide(PhysicalType type, char** plains, size_t offset, const Batch& batch, const Aggregate& aggregate,
              const UnifiedVectorFormat& argument, const std::vector<uint8_t>& skip) {
  switch (type) {
    case PhysicalType::INT8:
      return add_numbers<int8_t, State>(plains, offset, batch, aggregate, argument, skip);
    case PhysicalType::INT16:
      return add_numbers<int16_t, State>(plains, offset, batch, aggregate, argument, skip);
    case PhysicalType::INT32:
      return add_numbers<int32_t, State>(plains, offset, batch, aggregate, argument, skip);
    case PhysicalType::INT64:
      return add_numbers<int64_t, State>(plains, offset, batch, aggregate, argument, skip);
    default:
      return add_numbers<hugeint_t, State>(plains, offset, batch, aggregate, argument, skip);
  }
}

template <class T>
void keep_extreme(char** plains, size_t offset, bool minimum, const Batch& batch, const Aggregate& aggregate,
                  const UnifiedVectorFormat& argument, const std::vector<uint8_t>& skip) {
  const T* values = reinterpret_cast<const T*>(argument.data);
  each_row(batch, aggregate, &argument, skip, [&](size_t row, size_t at) {
    Extreme& state = *reinterpret_cast<Extreme*>(plains[row] + offset);
    T& held = *reinterpret_cast<T*>(state.value);
    const T& value = values[at];
    const bool better = minimum ? less(value, held) : less(held, value);
    if (!state.seen || better) held = value;
    state.seen = 1;
  });
}

/// Runs `body` with a value of the C++ type of a fixed-width type.
template <class Body>
auto with_type(PhysicalType type, Body body) {
  switch (type) {
    case PhysicalType::BOOL:
      return body(bool{});
    case PhysicalType::INT8:
      return body(int8_t{});
    case PhysicalType::INT16:
      return body(int16_t{});
    case PhysicalType::INT32:
      return body(int32_t{});
    case PhysicalType::INT64:
      return body(int64_t{});
    case PhysicalType::UINT8:
      return body(uint8_t{});
    case PhysicalType::UINT16:
      return body(uint16_t{});
    case PhysicalType::UINT32:
      return body(uint32_t{});
    case PhysicalType::UINT64:
      return body(uint64_t{});
    case PhysicalType::FLOAT:
      return body(float{});
    case PhysicalType::DOUBLE:
      return body(double{});
    default:
      return body(hugeint_t{});
  }
}

template <class T>
void extreme_result(const Table& groups, size_t offset, bool minimum, const MergedSlots& rows, Vector& out) {
  T* results = FlatVector::GetData<T>(out);
  for (size_t row = 0; row < rows.rows(); ++row) {
    const T* best = nullptr;
    for (uint32_t i = rows.begin(row); i < rows.ends[row]; ++i) {
      const Extreme& state = *reinterpret_cast<const Extreme*>(groups.read_plain(rows.slots[i]) + offset);
      if (!state.seen) continue;
      const T& value = *reinterpret_cast<const T*>(state.value);
      if (best == nullptr || (minimum ? less(value, *best) : less(*best, value))) best = &value;
    }
    if (best == nullptr)
      FlatVector::SetNull(out, row, true);
    else
      results[row] = *best;
  }
}

template <class State>
void add_sums(char* to, const char* from) {
  State& sum = *reinterpret_cast<State*>(to);
  const State& more = *reinterpret_cast<const State*>(from);
  if constexpr (std::is_same_v<State, WideSum>)
    sum.total = saturating_sum(sum.total, more.total);
  else
    sum.total += more.total;
  sum.values += more.values;
}

template <class State>
State merged(const Table& groups, size_t offset, const MergedSlots& rows, size_t row) {
  State sum{};
  for (uint32_t i = rows.begin(row); i < rows.ends[row]; ++i) {
    add_sums<State>(reinterpret_cast<char*>(&sum), groups.read_plain(rows.slots[i]) + offset);
  }
  return sum;
}

template <class T>
void merge_extremes(char* to, const char* from, bool minimum) {
  Extreme& held = *reinterpret_cast<Extreme*>(to);
  const Extreme& other = *reinterpret_cast<const Extreme*>(from);
  if (!other.seen) return;
  const T& a = *reinterpret_cast<const T*>(held.value);
  const T& b = *reinterpret_cast<const T*>(other.value);
  if (!held.seen || (minimum ? less(b, a) : less(a, b))) held = other;
}

/// Calls body(row, value) for each row that counts in a sum.
template <class Body>
void each_summed(Batch& batch, const Aggregate& aggregate, const std::vector<uint8_t>& skip, Body body) {
  Vector& column = batch.chunk.data[aggregate.arguments[0]];
  UnifiedVectorFormat argument;
  column.ToUnifiedFormat(batch.chunk.size(), argument);
  with_type(column.GetType().InternalType(), [&](auto type) {
    using T = decltype(type);
    if constexpr (is_summed<T>)
      each_row(batch, aggregate, &argument, skip,
               [&](size_t row, size_t at) { body(row, reinterpret_cast<const T*>(argument.data)[at]); });
  });
}

Wanted wanted_of(AggregateKind kind) {
  switch (kind) {
    case AggregateKind::first:
      return Wanted::first;
    case AggregateKind::last:
      return Wanted::last;
    case AggregateKind::minimum_text:
      return Wanted::least;
    case AggregateKind::maximum_text:
      return Wanted::greatest;
    default:
      return Wanted::all;
  }
}

/// True for functions of DuckDB that mean the same when they see each value once, in any order.
bool sees_values_once(const std::string& function) {
  static const std::set<std::string> names = {"min", "max", "bool_and", "bool_or", "bit_and", "bit_or"};
  return names.count(function) > 0;
}

bool has_bag(AggregateKind kind) {
  return kind == AggregateKind::bag || kind == AggregateKind::count_distinct || kind == AggregateKind::function ||
         wanted_of(kind) != Wanted::all;
}

bool is_users(AggregateKind kind) {
  return kind == AggregateKind::function || kind == AggregateKind::accumulator;
}

std::vector<LogicalType> types_of(const Schema& schema) {
  const duckdb::vector<LogicalType> types = schema.types();
  return {types.begin(), types.end()};
}

/// Marks in `skip` the rows whose arguments have a NULL that the user's function does not take.
void skip_nulls(Batch& batch, const Aggregate& aggregate, std::vector<uint8_t>& skip) {
  const std::vector<Field>& arguments = aggregate.function.description().arguments;
  const size_t rows = static_cast<size_t>(batch.rows());
  for (size_t i = 0; i < aggregate.arguments.size(); ++i) {
    UnifiedVectorFormat values;
    batch.chunk.data[aggregate.arguments[i]].ToUnifiedFormat(rows, values);
    if (arguments[i].nullable || values.validity.AllValid()) continue;
    skip.resize(rows);
    for (size_t row = 0; row < rows; ++row) skip[row] |= !values.validity.RowIsValid(values.sel->get_index(row));
  }
}

}  // namespace

Accumulators::Accumulators(const std::vector<Aggregate>& aggregates, const std::vector<Field>& key,
                           const OperatorContext& context)
    : aggregates_(aggregates),
      key_(std::make_shared<Schema>(key)),
      bags_(aggregates.size()),
      bag_functions_(aggregates.size()),
      folded_(aggregates.size()) {
  for (size_t i = 0; i < aggregates_.size(); ++i) {
    const Aggregate& aggregate = aggregates_[i];
    plain_bytes_ = (plain_bytes_ + 15) / 16 * 16;
    offsets_.push_back(plain_bytes_);
    plain_bytes_ += state_bytes(aggregate.kind);
    if (may_overflow(aggregate)) checked_.push_back(i);
    if (aggregate.kind == AggregateKind::accumulator) folded_[i] = std::make_unique<Folded>(aggregate, key);
    if (aggregate.kind == AggregateKind::bag)
      bag_functions_[i] = std::make_unique<BagFunction>(context.evaluation, aggregate.call);
    if (!has_bag(aggregate.kind)) continue;
    std::vector<LogicalType> values;
    for (size_t key_number = 0; key_number < aggregate.sorted_by; ++key_number)
      values.push_back(aggregate.call.order[key_number].by.type());
    for (const Expr& argument : aggregate.call.arguments) values.push_back(argument.type());
    const Wanted wanted = wanted_of(aggregate.kind);
    bags_[i] = std::make_unique<Bag>(i, types_of(*key_), std::move(values), wanted,
                                     wanted != Wanted::all && aggregate.appends);
  }
  if (std::any_of(checked_.begin(), checked_.end(), [&](size_t sum) { return !aggregates_[sum].appends; }))
    refused_ = std::make_unique<RefusedRows>(aggregates_, types_of(*key_));
}

bool Accumulators::are_plain() const {
  auto is_set = [](const auto& held) { return held != nullptr; };
  return std::none_of(bags_.begin(), bags_.end(), is_set) && std::none_of(folded_.begin(), folded_.end(), is_set);
}

void Accumulators::add_columns(TableSpec& groups) {
  for (size_t i = 0; i < aggregates_.size(); ++i) {
    if (!folded_[i]) continue;
    folded_[i]->place(groups.values.size(), offsets_[i]);
    groups.values.insert(groups.values.end(), folded_[i]->columns().begin(), folded_[i]->columns().end());
  }
}

Accumulators::~Accumulators() = default;

/// Adds the rows to one sum; gives those that it cannot hold.
std::vector<uint32_t> Accumulators::add_to_sum(size_t index, char** plains, Batch& batch,
                                               const std::vector<uint8_t>& skip) const {
  std::vector<uint32_t> out;
  each_summed(batch, aggregates_[index], skip, [&](size_t row, auto value) {
    if (!add_if_it_fits(aggregates_[index].kind, value, batch.diff(static_cast<int64_t>(row)),
                        plains[row] + offsets_[index]))
      out.push_back(static_cast<uint32_t>(row));
  });
  return out;
}

void Accumulators::take_from_sum(size_t index, char** plains, Batch& batch, const std::vector<uint8_t>& skip) const {
  each_summed(batch, aggregates_[index], skip, [&](size_t row, auto value) {
    take_out(aggregates_[index].kind, value, batch.diff(static_cast<int64_t>(row)), plains[row] + offsets_[index]);
  });
}

/// Adds the rows to the sums that may overflow. Rows that one of them cannot hold are added to none, and marked in
/// `skip`.
std::vector<Accumulators::Refused> Accumulators::update_sums(Table& groups, const Slot* slots, char** plains,
                                                             Batch& batch, DataChunk& keys,
                                                             std::vector<uint8_t>& skip) {
  const size_t rows = static_cast<size_t>(batch.rows());
  bool fit = batch.inserts_only() || !refused_ || !refused_->any();
  for (size_t done = 0; fit && done < checked_.size(); ++done) {
    const std::vector<uint32_t> too_large = add_to_sum(checked_[done], plains, batch, {});
    if (too_large.empty()) continue;
    fit = false;
    std::vector<uint8_t> not_added(rows);
    for (uint32_t row : too_large) not_added[row] = 1;
    take_from_sum(checked_[done], plains, batch, not_added);
    for (size_t before = 0; before < done; ++before) take_from_sum(checked_[before], plains, batch, {});
  }
  std::vector<Refused> out;
  if (fit) return out;
  // Row by row: what one row leaves decides on the next.
  skip.resize(rows);
  for (uint32_t row = 0; row < rows; ++row) {
    const uint64_t group = groups.hash(slots[row]);
    std::optional<size_t> overflows;
    if (batch.diff(row) < 0 && refused_ && refused_->take(batch, keys, group, row)) overflows = checked_[0];
    const bool taken = overflows.has_value();
    Batch one = batch.slice({row});
    for (size_t done = 0; !overflows && done < checked_.size(); ++done) {
      if (add_to_sum(checked_[done], &plains[row], one, {}).empty()) continue;
      overflows = checked_[done];
      for (size_t before = 0; before < done; ++before) take_from_sum(checked_[before], &plains[row], one, {});
    }
    if (!overflows) continue;
    skip[row] = 1;
    if (refused_ && !taken && batch.diff(row) > 0) refused_->add(batch, keys, group, row);
    out.push_back({row, sum_overflows(aggregates_[*overflows])});
  }
  return out;
}

void Accumulators::update(Table& groups, const Slot* slots, Batch& batch, DataChunk& keys, Emitter& emitter) {
  const size_t rows = static_cast<size_t>(batch.rows());
  char* plains[STANDARD_VECTOR_SIZE];
  for (size_t row = 0; row < rows; ++row) plains[row] = groups.plain(slots[row]);
  std::vector<uint8_t> skip;
  const std::vector<Refused> refused = update_sums(groups, slots, plains, batch, keys, skip);
  for (const Refused& row : refused) emitter.reject(batch, row.row, row.reason);
  emitter.counters.quarantined += static_cast<int64_t>(refused.size());
  emitter.counters.passed += static_cast<int64_t>(rows - refused.size());
  for (size_t row = 0; row < rows; ++row)
    if (skip.empty() || !skip[row]) *reinterpret_cast<int64_t*>(plains[row]) += batch.diff(static_cast<int64_t>(row));
  for (size_t i = 0; i < aggregates_.size(); ++i) {
    const Aggregate& aggregate = aggregates_[i];
    const size_t offset = offsets_[i];
    UnifiedVectorFormat argument;
    PhysicalType type = PhysicalType::INVALID;
    if (!aggregate.arguments.empty()) {
      batch.chunk.data[aggregate.arguments[0]].ToUnifiedFormat(rows, argument);
      type = batch.chunk.data[aggregate.arguments[0]].GetType().InternalType();
    }
    auto count = [&](const UnifiedVectorFormat* counted) {
      each_row(batch, aggregate, counted, skip, [&](size_t row, size_t) {
        *reinterpret_cast<int64_t*>(plains[row] + offset) += batch.diff(static_cast<int64_t>(row));
      });
    };
    switch (aggregate.kind) {
      case AggregateKind::count_star:
        count(nullptr);
        break;
      case AggregateKind::count:
        count(&argument);
        break;
      case AggregateKind::sum_integer:
        break;  // Done above.
      case AggregateKind::sum_decimal:
      case AggregateKind::average:
        if (!may_overflow(aggregate)) add_wide<WideSum>(type, plains, offset, batch, aggregate, argument, skip);
        break;
      case AggregateKind::sum_double:
      case AggregateKind::average_double:
        add_numbers<double, DoubleSum>(plains, offset, batch, aggregate, argument, skip);
        break;
      case AggregateKind::minimum:
      case AggregateKind::maximum:
        with_type(type, [&](auto value) {
          keep_extreme<decltype(value)>(plains, offset, aggregate.kind == AggregateKind::minimum, batch, aggregate,
                                        argument, skip);
        });
        break;
      case AggregateKind::count_distinct:
      case AggregateKind::minimum_text:
      case AggregateKind::maximum_text:
      case AggregateKind::first:
      case AggregateKind::last:
      case AggregateKind::bag:
      case AggregateKind::function:
      case AggregateKind::accumulator:
        update_values(i, groups, slots, batch, keys, skip);
        break;
    }
  }
}

void Accumulators::update_values(size_t index, Table& groups, const Slot* slots, Batch& batch, DataChunk& keys,
                                 const std::vector<uint8_t>& skip) {
  const Aggregate& aggregate = aggregates_[index];
  UnifiedVectorFormat argument;
  batch.chunk.data[aggregate.arguments[0]].ToUnifiedFormat(batch.chunk.size(), argument);
  std::vector<uint8_t> left_out = skip;
  if (is_users(aggregate.kind)) skip_nulls(batch, aggregate, left_out);
  std::vector<uint32_t> rows;
  const bool skips_nulls = aggregate.kind == AggregateKind::count_distinct ||
                           aggregate.kind == AggregateKind::minimum_text ||
                           aggregate.kind == AggregateKind::maximum_text;
  each_row(batch, aggregate, skips_nulls ? &argument : nullptr, left_out,
           [&](size_t row, size_t) { rows.push_back(static_cast<uint32_t>(row)); });
  if (folded_[index])
    folded_[index]->update(slots, batch, keys, rows);
  else
    bags_[index]->update(groups, offsets_[index], slots, batch, aggregate.arguments, keys, rows);
}

void Accumulators::one_of_bag(const Table& groups, size_t index, const MergedSlots& rows, Vector& out) const {
  std::vector<const char*> values;
  std::vector<uint32_t> of_rows;
  for (size_t row = 0; row < rows.rows(); ++row) {
    std::vector<const BagHead*> heads;
    for (uint32_t i = rows.begin(row); i < rows.ends[row]; ++i) heads.push_back(&head(groups, index, rows.slots[i]));
    const char* value = bags_[index]->wanted(heads);
    FlatVector::SetNull(out, row, value == nullptr);
    if (value == nullptr) continue;
    values.push_back(value);
    of_rows.push_back(static_cast<uint32_t>(row));
  }
  DataChunk gathered;
  bags_[index]->gather(values, gathered);
  for (size_t i = 0; i < of_rows.size(); ++i)
    duckdb::VectorOperations::Copy(gathered.data[0], out, i + 1, i, of_rows[i]);
}

Result<> Accumulators::bag_result(const Table& groups, size_t index, const MergedSlots& rows, Vector& out,
                                  Emitter& emitter) {
  const Aggregate& aggregate = aggregates_[index];
  const bool once = aggregate.kind == AggregateKind::bag && aggregate.call.arguments.size() == 1 &&
                    sees_values_once(aggregate.call.function);
  const bool merge = aggregate.kind == AggregateKind::count_distinct || aggregate.call.distinct || once;
  for (size_t row = 0; row < rows.rows(); ++row) {
    const uint32_t begin = rows.begin(row), end = rows.ends[row];
    if (aggregate.kind == AggregateKind::count_distinct && end - begin == 1) {
      FlatVector::GetData<int64_t>(out)[row] = head(groups, index, rows.slots[begin]).distinct;
      continue;
    }
    std::vector<const char*> values;
    for (uint32_t i = begin; i < end; ++i) bags_[index]->collect(head(groups, index, rows.slots[i]), merge, values);
    DataChunk gathered;
    bags_[index]->gather(values, gathered);
    if (!once) sort_rows(gathered, aggregate.call.order, merge);
    if (aggregate.kind == AggregateKind::count_distinct) {
      FlatVector::GetData<int64_t>(out)[row] = static_cast<int64_t>(gathered.size());
      continue;
    }
    DataChunk arguments;
    gathered.Split(arguments, aggregate.sorted_by);
    BagFunction& function = *bag_functions_[index];
    function.reset();
    Result<> done = function.add(arguments);
    if (done) done = function.result(out, row);
    if (done) continue;
    FlatVector::SetNull(out, row, true);
    reject_group(groups, rows, row, done.error(), emitter);
  }
  return {};
}

/// All groups in one call: a list per argument with the group's values in ascending order.
Result<> Accumulators::function_result(const Table& groups, size_t index, const MergedSlots& rows, Vector& out,
                                       Emitter& emitter) {
  const Aggregate& aggregate = aggregates_[index];
  std::vector<const char*> values;
  std::vector<uint32_t> ends;
  for (size_t row = 0; row < rows.rows(); ++row) {
    for (uint32_t i = rows.begin(row); i < rows.ends[row]; ++i)
      bags_[index]->collect(head(groups, index, rows.slots[i]), aggregate.call.distinct, values);
    ends.push_back(static_cast<uint32_t>(values.size()));
  }
  DataChunk gathered;
  bags_[index]->gather(values, gathered);
  HEADRACE_TRY(
      call_on_lists(aggregate.function, gathered, std::move(ends), aggregate.call.distinct, out,
                    [&](size_t row, const Error& reason) { reject_group(groups, rows, row, reason, emitter); }));
  return {};
}

/// A group whose value could not be computed goes to the quarantine by its key.
void Accumulators::reject_group(const Table& groups, const MergedSlots& rows, size_t row, const Error& reason,
                                Emitter& emitter) const {
  Batch key = Batch::make(key_, 1);
  for (size_t i = 0; i < key_->size(); ++i) groups.gather(i, &rows.slots[rows.begin(row)], 1, key.chunk.data[i]);
  key.chunk.SetCardinality(1);
  emitter.reject(key, 0, reason);
}

Result<> Accumulators::settle(Table& groups, Emitter& emitter) {
  for (auto& folded : folded_) {
    if (!folded) continue;
    HEADRACE_TRY(folded->settle(groups, [&](const Batch& batch, uint32_t row, const Error& reason) {
      emitter.reject(batch, row, reason);
      ++emitter.counters.quarantined;
      --emitter.counters.passed;
    }));
  }
  return {};
}

Result<> Accumulators::result(const Table& groups, size_t index, const MergedSlots& rows, Vector& out,
                              Emitter& emitter) {
  const Aggregate& aggregate = aggregates_[index];
  const size_t offset = offsets_[index];
  switch (aggregate.kind) {
    case AggregateKind::count_star:
    case AggregateKind::count: {
      int64_t* results = FlatVector::GetData<int64_t>(out);
      for (size_t row = 0; row < rows.rows(); ++row) {
        results[row] = 0;
        for (uint32_t i = rows.begin(row); i < rows.ends[row]; ++i)
          results[row] += *reinterpret_cast<const int64_t*>(groups.read_plain(rows.slots[i]) + offset);
      }
      return {};
    }
    case AggregateKind::sum_integer: {
      for (size_t row = 0; row < rows.rows(); ++row) {
        Wide total = 0;
        int64_t values = 0;
        for (uint32_t i = rows.begin(row); i < rows.ends[row]; ++i) {
          const auto& sum = *reinterpret_cast<const IntegerSum*>(groups.read_plain(rows.slots[i]) + offset);
          total += sum.exact();
          values += sum.values;
        }
        const bool fits = total == static_cast<int64_t>(total);
        if (!fits) reject_group(groups, rows, row, sum_overflows(aggregate), emitter);
        FlatVector::GetData<int64_t>(out)[row] = static_cast<int64_t>(total);
        if (values == 0 || !fits) FlatVector::SetNull(out, row, true);
      }
      return {};
    }
    case AggregateKind::sum_decimal:
      for (size_t row = 0; row < rows.rows(); ++row) {
        const WideSum sum = merged<WideSum>(groups, offset, rows, row);
        if (!is_decimal(sum.total)) reject_group(groups, rows, row, sum_overflows(aggregate), emitter);
        FlatVector::GetData<hugeint_t>(out)[row] = narrow(sum.total);
        if (sum.values == 0 || !is_decimal(sum.total)) FlatVector::SetNull(out, row, true);
      }
      return {};
    case AggregateKind::average: {
      const double scale = scale_of(aggregate.call.arguments[0].type());
      for (size_t row = 0; row < rows.rows(); ++row) {
        const WideSum sum = merged<WideSum>(groups, offset, rows, row);
        const bool fits = sum.total != wide_max && sum.total != -wide_max;
        if (!fits) reject_group(groups, rows, row, sum_overflows(aggregate), emitter);
        if (sum.values == 0 || !fits)
          FlatVector::SetNull(out, row, true);
        else
          FlatVector::GetData<double>(out)[row] =
              static_cast<double>(sum.total) / (static_cast<double>(sum.values) * scale);
      }
      return {};
    }
    case AggregateKind::sum_double:
    case AggregateKind::average_double:
      for (size_t row = 0; row < rows.rows(); ++row) {
        DoubleSum sum = merged<DoubleSum>(groups, offset, rows, row);
        if (sum.values == 0)
          FlatVector::SetNull(out, row, true);
        else
          FlatVector::GetData<double>(out)[row] =
              aggregate.kind == AggregateKind::sum_double ? sum.total : sum.total / static_cast<double>(sum.values);
      }
      return {};
    case AggregateKind::minimum:
    case AggregateKind::maximum:
      with_type(out.GetType().InternalType(), [&](auto value) {
        extreme_result<decltype(value)>(groups, offset, aggregate.kind == AggregateKind::minimum, rows, out);
      });
      return {};
    case AggregateKind::minimum_text:
    case AggregateKind::maximum_text:
    case AggregateKind::first:
    case AggregateKind::last:
      one_of_bag(groups, index, rows, out);
      return {};
    case AggregateKind::count_distinct:
    case AggregateKind::bag:
      return bag_result(groups, index, rows, out, emitter);
    case AggregateKind::function:
      return function_result(groups, index, rows, out, emitter);
    case AggregateKind::accumulator:
      return folded_[index]->result(groups, rows.slots, rows.ends, out, [&](size_t row, const Error& reason) {
        reject_group(groups, rows, row, reason, emitter);
      });
  }
  return {};
}

Result<> Accumulators::merge(Table& groups, Slot into, Slot from) {
  char* target = groups.plain(into);
  const char* source = groups.read_plain(from);
  *reinterpret_cast<int64_t*>(target) += *reinterpret_cast<const int64_t*>(source);
  for (size_t i = 0; i < aggregates_.size(); ++i) {
    char* to = target + offsets_[i];
    const char* what = source + offsets_[i];
    switch (aggregates_[i].kind) {
      case AggregateKind::count_star:
      case AggregateKind::count:
        *reinterpret_cast<int64_t*>(to) += *reinterpret_cast<const int64_t*>(what);
        break;
      case AggregateKind::sum_integer: {
        auto& sum = *reinterpret_cast<IntegerSum*>(to);
        const auto& more = *reinterpret_cast<const IntegerSum*>(what);
        set_exactly(sum, sum.exact() + more.exact());
        sum.values += more.values;
        break;
      }
      case AggregateKind::sum_decimal:
      case AggregateKind::average:
        add_sums<WideSum>(to, what);
        break;
      case AggregateKind::sum_double:
      case AggregateKind::average_double:
        add_sums<DoubleSum>(to, what);
        break;
      case AggregateKind::minimum:
      case AggregateKind::maximum:
        with_type(aggregates_[i].type.InternalType(), [&](auto value) {
          merge_extremes<decltype(value)>(to, what, aggregates_[i].kind == AggregateKind::minimum);
        });
        break;
      case AggregateKind::count_distinct:
      case AggregateKind::minimum_text:
      case AggregateKind::maximum_text:
      case AggregateKind::first:
      case AggregateKind::last:
      case AggregateKind::bag:
      case AggregateKind::function:
      case AggregateKind::accumulator:
        break;  // Below: values move, and rows with them.
    }
  }
  for (size_t i = 0; i < aggregates_.size(); ++i) {
    if (bags_[i]) bags_[i]->merge(groups, offsets_[i], into, from);
    if (folded_[i]) HEADRACE_TRY(folded_[i]->merge(groups, into, from));
  }
  return {};
}

void Accumulators::reset(Table& groups, Slot slot) {
  erase(groups, slot);
  std::memset(groups.plain(slot), 0, plain_bytes_);
}

void Accumulators::erase(Table& groups, Slot slot) {
  for (size_t i = 0; i < aggregates_.size(); ++i)
    if (bags_[i]) bags_[i]->erase(head(groups, i, slot));
}

std::vector<Table*> Accumulators::tables() {
  std::vector<Table*> out;
  for (auto& bag : bags_)
    if (bag) out.push_back(&bag->table());
  if (refused_) out.push_back(&refused_->table());
  return out;
}

void Accumulators::restored(Table& groups) {
  for (size_t i = 0; i < aggregates_.size(); ++i)
    if (bags_[i]) bags_[i]->restored(groups, offsets_[i]);
}

}  // namespace headrace
