#include "ops/running_totals.h"

#include <algorithm>
#include <cstring>

#include "duck/rows.h"
#include "duck/sort_key.h"
#include "ops/keys.h"
#include "ops/wide.h"

namespace headrace {
namespace {

using duckdb::FlatVector;
using duckdb::hugeint_t;
using duckdb::UnifiedVectorFormat;

struct Count {
  int64_t rows;
};
struct Rank {
  int64_t rows, rank;
};
/// T is 8-byte aligned, as plain bytes are.
template <class T>
struct Sum {
  T total;
  int64_t values;
};
struct Extreme {
  char key[24];  ///< The value's sort key.
  char value[16];
  int64_t seen;
};

TableSpec totals_spec(const OverNode& node) {
  TableSpec out;
  out.name = "totals";
  for (size_t column : node.partition) out.key.push_back(node.output.columns[column].type);
  out.key = key_types(out.key);
  out.plain_bytes = node.functions.size() * sizeof(Extreme);
  return out;
}

/// Runs `step` over the states of rows, in order.
template <class State, class Step>
void each_state(const std::vector<char*>& states, size_t offset, Step step) {
  for (size_t i = 0; i < states.size(); ++i) step(*reinterpret_cast<State*>(states[i] + offset), i);
}

/// The values of the input column `column` of rows, cast to `type`.
Vector read_column(const KeyedRows& from, size_t column, const LogicalType& held, const LogicalType& type,
                   const Slot* rows, size_t count) {
  Vector values(held, count);
  from.gather(column, rows, count, values);
  if (held == type) return values;
  Vector cast(type, count);
  duckdb::VectorOperations::DefaultCast(values, cast, count, true);
  return cast;
}

bool may_overflow(const OverFunction& function) {
  return !function.call.arguments.empty() && sum_may_overflow(function.total, function.call.arguments[0].type());
}

/// Adds to a sum; false, and nothing is added, when its type cannot hold that.
bool add_if_it_fits(AggregateKind, Sum<int64_t>& sum, int64_t value) {
  int64_t total = 0;
  if (__builtin_add_overflow(sum.total, value, &total)) return false;
  sum.total = total;
  return true;
}

bool add_if_it_fits(AggregateKind kind, Sum<hugeint_t>& sum, hugeint_t value) {
  Wide total = 0;
  if (__builtin_add_overflow(wide(sum.total), wide(value), &total)) return false;
  if (kind == AggregateKind::sum_decimal && !is_decimal(total)) return false;
  sum.total = narrow(total);
  return true;
}

double mean_of(const Sum<int64_t>& sum, double scale) {
  return static_cast<double>(sum.total) / (static_cast<double>(sum.values) * scale);
}

double mean_of(const Sum<hugeint_t>& sum, double scale) {
  return static_cast<double>(wide(sum.total)) / (static_cast<double>(sum.values) * scale);
}

template <class T, class State>
void write_sum(Vector& out, size_t row, const State& state, T value) {
  if (state.values == 0)
    FlatVector::SetNull(out, row, true);
  else
    FlatVector::GetData<T>(out)[row] = value;
}

}  // namespace

RunningTotals::RunningTotals(const OverNode& node) : node_(node), table_(totals_spec(node)) {
  for (size_t i = 0; i < node.functions.size(); ++i) offsets_.push_back(i * sizeof(Extreme));
}

/// Finds the totals of the partitions of rows [at, at + count).
void RunningTotals::find_states(const KeyedRows& from, size_t at, size_t count) {
  DataChunk keys;
  keys.Initialize(duckdb::Allocator::DefaultAllocator(), {table_.spec().key.begin(), table_.spec().key.end()});
  if (node_.partition.empty()) keys.data[0].Reference(duckdb::Value::BOOLEAN(true));
  for (size_t i = 0; i < node_.partition.size(); ++i) from.gather(node_.partition[i], &rows_[at], count, keys.data[i]);
  keys.SetCardinality(count);
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  Slot slots[STANDARD_VECTOR_SIZE];
  uint8_t created[STANDARD_VECTOR_SIZE];
  for (size_t i = 0; i < count; ++i) hashes[i] = from.rows().hash(rows_[at + i]);
  table_.find_or_create(keys, hashes, count, slots, created);
  states_.resize(count);
  for (size_t i = 0; i < count; ++i) states_[i] = table_.plain(slots[i]);
}

Result<> RunningTotals::run(const RankedRows& ranked, std::vector<Vector>& results) {
  const KeyedRows& from = ranked.rows();
  results.clear();
  for (const OverFunction& function : node_.functions)
    results.emplace_back(function.call.type, std::max<size_t>(rows_.size(), 1));
  // Rows of one partition stand together; those of one order in it are peers.
  first_peer_.assign(rows_.size(), 1);
  for (size_t i = 1; i < rows_.size(); ++i)
    first_peer_[i] = from.group_of(rows_[i]) != from.group_of(rows_[i - 1]) ||
                     ranked.order_of(rows_[i]) != ranked.order_of(rows_[i - 1]);
  failed_.assign(rows_.size(), 0);
  for (size_t at = 0; at < rows_.size(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, rows_.size() - at);
    find_states(from, at, count);
    // A row that one sum refuses counts for nothing: these sums go first, side by side.
    add_checked(from, at, count, results);
    for (size_t i = 0; i < results.size(); ++i)
      if (!may_overflow(node_.functions[i])) advance(i, from, at, count, results[i]);
  }
  for (size_t i = 0; i < results.size(); ++i) share_among_peers(node_.functions[i], results[i]);
  return {};
}

/// Which rows count for a function: those that did not fail and pass its filter.
std::vector<uint8_t> RunningTotals::counting(const OverFunction& function, const KeyedRows& from, size_t at,
                                             size_t count) const {
  std::vector<uint8_t> counts(count);
  for (size_t i = 0; i < count; ++i) counts[i] = !failed_[at + i];
  if (!function.filter) return counts;
  Vector filter = read_column(from, *function.filter, LogicalType::BOOLEAN, LogicalType::BOOLEAN, &rows_[at], count);
  for (size_t i = 0; i < count; ++i)
    counts[i] &= !FlatVector::IsNull(filter, i) && FlatVector::GetData<bool>(filter)[i];
  return counts;
}

void RunningTotals::add_checked(const KeyedRows& from, size_t at, size_t count, std::vector<Vector>& results) {
  struct Adding {
    size_t function;
    Vector values;
    std::vector<uint8_t> counts;
    double scale;
  };
  std::vector<Adding> sums;
  for (size_t i = 0; i < results.size(); ++i) {
    const OverFunction& function = node_.functions[i];
    if (!may_overflow(function)) continue;
    const LogicalType& held = node_.output.columns[function.arguments[0]].type;
    const bool integer = function.total == AggregateKind::sum_integer;
    Vector values =
        read_column(from, function.arguments[0], held, integer ? LogicalType::BIGINT : held, &rows_[at], count);
    std::vector<uint8_t> counts = counting(function, from, at, count);
    for (size_t row = 0; row < count; ++row) counts[row] &= !FlatVector::IsNull(values, row);
    sums.push_back({i, std::move(values), std::move(counts), scale_of(held)});
  }
  for (size_t row = 0; row < count; ++row) {
    auto with_state = [&](Adding& sum, auto body) {
      char* state = states_[row] + offsets_[sum.function];
      if (node_.functions[sum.function].total == AggregateKind::sum_integer)
        return body(*reinterpret_cast<Sum<int64_t>*>(state), FlatVector::GetData<int64_t>(sum.values)[row]);
      return body(*reinterpret_cast<Sum<hugeint_t>*>(state), FlatVector::GetData<hugeint_t>(sum.values)[row]);
    };
    failed_[at + row] = std::any_of(sums.begin(), sums.end(), [&](Adding& sum) {
      const AggregateKind kind = node_.functions[sum.function].total;
      return sum.counts[row] &&
             with_state(sum, [&](auto state, auto value) { return !add_if_it_fits(kind, state, value); });
    });
    for (Adding& sum : sums) {
      const AggregateKind kind = node_.functions[sum.function].total;
      with_state(sum, [&](auto& state, auto value) {
        if (sum.counts[row] && !failed_[at + row]) state.values += add_if_it_fits(kind, state, value);
        if (kind == AggregateKind::average)
          write_sum(results[sum.function], at + row, state, mean_of(state, sum.scale));
        else
          write_sum(results[sum.function], at + row, state, state.total);
      });
    }
  }
}

/// Carries one function on over rows [at, at + count).
void RunningTotals::advance(size_t index, const KeyedRows& from, size_t at, size_t count, Vector& out) {
  const OverFunction& function = node_.functions[index];
  const size_t offset = offsets_[index];
  const std::string& name = function.call.function;
  std::vector<uint8_t> counts = counting(function, from, at, count);
  if (name == "row_number" || function.total == AggregateKind::count_star) {
    each_state<Count>(states_, offset, [&](Count& state, size_t i) {
      FlatVector::GetData<int64_t>(out)[at + i] = state.rows += counts[i];
    });
    return;
  }
  if (name == "rank" || name == "dense_rank") {
    const bool dense = name == "dense_rank";
    each_state<Rank>(states_, offset, [&](Rank& state, size_t i) {
      if (first_peer_[at + i]) state.rank = dense ? state.rank + 1 : state.rows + 1;
      state.rows += counts[i];
      FlatVector::GetData<int64_t>(out)[at + i] = state.rank;
    });
    return;
  }
  const LogicalType& held = node_.output.columns[function.arguments[0]].type;
  auto read = [&](const LogicalType& type) {
    Vector values = read_column(from, function.arguments[0], held, type, &rows_[at], count);
    for (size_t i = 0; i < count; ++i) counts[i] &= !FlatVector::IsNull(values, i);
    return values;
  };
  const bool decimal = held.id() == LogicalTypeId::DECIMAL;
  const LogicalType wide_type =
      decimal ? LogicalType::DECIMAL(38, duckdb::DecimalType::GetScale(held)) : LogicalType::HUGEINT;
  switch (function.total) {
    case AggregateKind::count: {
      read(held);
      each_state<Count>(states_, offset, [&](Count& state, size_t i) {
        FlatVector::GetData<int64_t>(out)[at + i] = state.rows += counts[i];
      });
      return;
    }
    case AggregateKind::sum_decimal:
    case AggregateKind::average: {
      Vector values = read(wide_type);
      const auto* data = FlatVector::GetData<hugeint_t>(values);
      const double scale = scale_of(held);
      each_state<Sum<hugeint_t>>(states_, offset, [&](Sum<hugeint_t>& state, size_t i) {
        const Wide total = wide(state.total) + (counts[i] ? wide(data[i]) : 0);
        state.total = narrow(total);
        state.values += counts[i];
        if (function.total == AggregateKind::average)
          write_sum(out, at + i, state, mean_of(state, scale));
        else
          write_sum(out, at + i, state, state.total);
      });
      return;
    }
    case AggregateKind::sum_double:
    case AggregateKind::average_double: {
      Vector values = read(LogicalType::DOUBLE);
      const auto* data = FlatVector::GetData<double>(values);
      each_state<Sum<double>>(states_, offset, [&](Sum<double>& state, size_t i) {
        if (counts[i]) state.total += data[i];
        state.values += counts[i];
        const double divisor = function.total == AggregateKind::average_double ? static_cast<double>(state.values) : 1;
        write_sum(out, at + i, state, state.total / divisor);
      });
      return;
    }
    default: {  // minimum, maximum: bytes compare as values do, whatever the type.
      DataChunk values;
      values.InitializeEmpty({held});
      Vector column = read(held);
      values.data[0].Reference(column);
      values.SetCardinality(count);
      const size_t width = fixed_width(held);
      const SortKeys keys(values, {{function.total == AggregateKind::maximum, false}}, width + 1);
      const auto* data = reinterpret_cast<const char*>(FlatVector::GetData(column));
      each_state<Extreme>(states_, offset, [&](Extreme& state, size_t i) {
        if (counts[i] && (!state.seen || keys[i] < std::string_view(state.key, width + 1))) {
          std::memcpy(state.key, keys[i].data(), width + 1);
          std::memcpy(state.value, data + i * width, width);
          state.seen = 1;
        }
        if (state.seen)
          std::memcpy(FlatVector::GetData(out) + (at + i) * width, state.value, width);
        else
          FlatVector::SetNull(out, at + i, true);
      });
      return;
    }
  }
}

/// With RANGE and GROUPS a row's frame ends with its last peer: all peers have the value after the last of them.
void RunningTotals::share_among_peers(const OverFunction& function, Vector& values) const {
  const std::string& name = function.call.function;
  if (function.call.frame.unit == Frame::Unit::rows || name == "row_number" || name == "rank" || name == "dense_rank")
    return;
  const size_t width = fixed_width(values.GetType());
  auto* data = FlatVector::GetData(values);
  for (size_t i = rows_.size(); i-- > 1;) {
    if (first_peer_[i]) continue;
    FlatVector::SetNull(values, i - 1, FlatVector::IsNull(values, i));
    std::memcpy(data + (i - 1) * width, data + i * width, width);
  }
}

}  // namespace headrace
