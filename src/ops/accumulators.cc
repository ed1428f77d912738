#include "ops/accumulators.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <unordered_map>

#include "duck/rows.h"

namespace headrace {
namespace {

using duckdb::FlatVector;
using duckdb::hugeint_t;
using duckdb::PhysicalType;
using duckdb::UnifiedVectorFormat;
using Wide = __int128;
// A row's plain bytes are 8-byte aligned; so is all that lies in them.
typedef __int128 HeldWide __attribute__((aligned(8)));

struct IntegerSum {
  int64_t total, values;
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
struct BagHead {
  Slot first_plus_one;  ///< 0 = empty
  uint32_t unused;
  int64_t distinct;
};
struct BagLink {
  int64_t count;
  Slot next_plus_one, previous_plus_one;
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
    case AggregateKind::bag:
      return sizeof(BagHead);
  }
  return 0;
}

Wide wide(hugeint_t value) {
  return (Wide{value.upper} << 64) | value.lower;
}
hugeint_t narrow(Wide value) {
  hugeint_t out;
  out.upper = static_cast<int64_t>(value >> 64);
  out.lower = static_cast<uint64_t>(value);
  return out;
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
State merged(const Table& groups, size_t offset, const MergedSlots& rows, size_t row) {
  State sum{};
  for (uint32_t i = rows.begin(row); i < rows.ends[row]; ++i) {
    const State& state = *reinterpret_cast<const State*>(groups.read_plain(rows.slots[i]) + offset);
    sum.total += state.total;
    sum.values += state.values;
  }
  return sum;
}

template <class State>
void add_sums(char* to, const char* from) {
  State& sum = *reinterpret_cast<State*>(to);
  const State& more = *reinterpret_cast<const State*>(from);
  sum.total += more.total;
  sum.values += more.values;
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

double power_of_ten(uint8_t exponent) {
  double out = 1;
  for (uint8_t i = 0; i < exponent; ++i) out *= 10;
  return out;
}

/// Calls body(slot, hash of its first `columns` columns) for every row.
template <class Body>
void each_key(const Table& table, size_t columns, Body body) {
  const std::vector<Slot> all = table.slots();
  for (size_t at = 0; at < all.size(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, all.size() - at);
    DataChunk keys;
    keys.Initialize(duckdb::Allocator::DefaultAllocator(),
                    {table.spec().key.begin(), table.spec().key.begin() + static_cast<long>(columns)});
    for (size_t column = 0; column < columns; ++column) table.gather(column, &all[at], count, keys.data[column]);
    keys.SetCardinality(count);
    uint64_t hashes[STANDARD_VECTOR_SIZE];
    hash_rows(keys, hashes);
    for (size_t i = 0; i < count; ++i) body(all[at + i], hashes[i]);
  }
}

}  // namespace

/// The values of all groups for one aggregate: a table keyed by group and value, chained per group.
struct Accumulators::Bag {
  Bag(const Aggregate& aggregate, size_t number, const std::vector<LogicalType>& key,
      const std::vector<LogicalType>& arguments, const OperatorContext& context)
      : group_columns(key.size()), argument_types(arguments), values(spec(number, key, arguments)) {
    if (aggregate.kind == AggregateKind::bag) function.emplace(context.evaluation, aggregate.call);
  }

  static TableSpec spec(size_t number, const std::vector<LogicalType>& key, const std::vector<LogicalType>& arguments) {
    TableSpec out;
    out.name = "values_" + std::to_string(number);
    out.key = key;
    // Without groups a bag of no arguments would have no key at all; every aggregate with a bag has an argument.
    out.key.insert(out.key.end(), arguments.begin(), arguments.end());
    out.plain_bytes = sizeof(BagLink);
    return out;
  }

  /// A value's hash: the upper bits are the group's, so that it lives on its group's shard.
  static uint64_t beside_group(uint64_t group, uint64_t value) {
    return (group & 0xFFC0000000000000) | (value & 0x003FFFFFFFFFFFFF);
  }

  BagLink& link(Slot slot) { return *reinterpret_cast<BagLink*>(values.plain(slot)); }
  const BagLink& read_link(Slot slot) const { return *reinterpret_cast<const BagLink*>(values.read_plain(slot)); }

  void attach(BagHead& head, Slot slot) {
    BagLink& own = link(slot);
    own.previous_plus_one = 0;
    own.next_plus_one = head.first_plus_one;
    if (head.first_plus_one) link(head.first_plus_one - 1).previous_plus_one = slot + 1;
    head.first_plus_one = slot + 1;
    ++head.distinct;
  }

  void detach(BagHead& head, Slot slot) {
    BagLink own = read_link(slot);
    if (own.previous_plus_one)
      link(own.previous_plus_one - 1).next_plus_one = own.next_plus_one;
    else
      head.first_plus_one = own.next_plus_one;
    if (own.next_plus_one) link(own.next_plus_one - 1).previous_plus_one = own.previous_plus_one;
    --head.distinct;
    values.erase(slot);
  }

  size_t group_columns;
  std::vector<LogicalType> argument_types;
  Table values;
  std::optional<BagFunction> function;
};

Accumulators::Accumulators(const std::vector<Aggregate>& aggregates, const std::vector<LogicalType>& key,
                           const OperatorContext& context)
    : aggregates_(aggregates), bags_(aggregates.size()) {
  for (size_t i = 0; i < aggregates_.size(); ++i) {
    plain_bytes_ = (plain_bytes_ + 15) / 16 * 16;
    offsets_.push_back(plain_bytes_);
    plain_bytes_ += state_bytes(aggregates_[i].kind);
    if (aggregates_[i].kind != AggregateKind::bag && aggregates_[i].kind != AggregateKind::count_distinct) continue;
    std::vector<LogicalType> arguments;
    for (const Expr& argument : aggregates_[i].call.arguments) arguments.push_back(argument.type());
    bags_[i] = std::make_unique<Bag>(aggregates_[i], i, key, arguments, context);
  }
}

Accumulators::~Accumulators() = default;

void Accumulators::update_integer_sums(char** plains, Batch& batch, std::vector<uint8_t>& skip,
                                       std::vector<uint32_t>& rejected) {
  std::vector<size_t> done;
  for (size_t i = 0; i < aggregates_.size(); ++i) {
    if (aggregates_[i].kind != AggregateKind::sum_integer) continue;
    UnifiedVectorFormat argument;
    batch.chunk.data[aggregates_[i].arguments[0]].ToUnifiedFormat(batch.chunk.size(), argument);
    with_type(batch.chunk.data[aggregates_[i].arguments[0]].GetType().InternalType(), [&](auto type) {
      using T = decltype(type);
      if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
        const T* values = reinterpret_cast<const T*>(argument.data);
        each_row(batch, aggregates_[i], &argument, skip, [&](size_t row, size_t at) {
          IntegerSum& sum = *reinterpret_cast<IntegerSum*>(plains[row] + offsets_[i]);
          const int32_t diff = batch.diff(static_cast<int64_t>(row));
          int64_t change = 0, total = 0;
          if (__builtin_mul_overflow(static_cast<int64_t>(values[at]), static_cast<int64_t>(diff), &change) ||
              __builtin_add_overflow(sum.total, change, &total)) {
            rejected.push_back(static_cast<uint32_t>(row));
            return;
          }
          sum.total = total;
          sum.values += diff;
        });
      }
    });
    // Rows found too large here are taken out of the sums before, and left out of the aggregates after.
    if (rejected.empty()) {
      done.push_back(i);
      continue;
    }
    if (skip.empty()) skip.resize(static_cast<size_t>(batch.rows()));
    for (uint32_t row : rejected) {
      if (skip[row]) continue;
      skip[row] = 1;
      for (size_t before : done) {
        Vector& column = batch.chunk.data[aggregates_[before].arguments[0]];
        std::vector<uint8_t> others(static_cast<size_t>(batch.rows()), 1);
        others[row] = 0;
        UnifiedVectorFormat values;
        column.ToUnifiedFormat(batch.chunk.size(), values);
        with_type(column.GetType().InternalType(), [&](auto type) {
          using T = decltype(type);
          if constexpr (std::is_integral_v<T> && std::is_signed_v<T>)
            each_row(batch, aggregates_[before], &values, others, [&](size_t r, size_t at) {
              IntegerSum& sum = *reinterpret_cast<IntegerSum*>(plains[r] + offsets_[before]);
              const int32_t diff = batch.diff(static_cast<int64_t>(r));
              sum.total -= static_cast<int64_t>(reinterpret_cast<const T*>(values.data)[at]) * diff;
              sum.values -= diff;
            });
        });
      }
    }
    done.push_back(i);
  }
}

void Accumulators::update(Table& groups, const Slot* slots, Batch& batch, DataChunk& keys,
                          std::vector<uint32_t>& rejected) {
  const size_t rows = static_cast<size_t>(batch.rows());
  char* plains[STANDARD_VECTOR_SIZE];
  for (size_t row = 0; row < rows; ++row) plains[row] = groups.plain(slots[row]);
  std::vector<uint8_t> skip;
  update_integer_sums(plains, batch, skip, rejected);
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
        add_wide<WideSum>(type, plains, offset, batch, aggregate, argument, skip);
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
      case AggregateKind::bag:
        update_bag(i, groups, slots, batch, keys, skip);
        break;
    }
  }
}

void Accumulators::update_bag(size_t index, Table& groups, const Slot* slots, Batch& batch, DataChunk& keys,
                              const std::vector<uint8_t>& skip) {
  const Aggregate& aggregate = aggregates_[index];
  Bag& bag = *bags_[index];
  UnifiedVectorFormat argument;
  batch.chunk.data[aggregate.arguments[0]].ToUnifiedFormat(batch.chunk.size(), argument);
  std::vector<uint32_t> rows;
  each_row(batch, aggregate, aggregate.kind == AggregateKind::count_distinct ? &argument : nullptr, skip,
           [&](size_t row, size_t) { rows.push_back(static_cast<uint32_t>(row)); });
  if (rows.empty()) return;
  duckdb::SelectionVector selection(rows.data());
  DataChunk wanted;
  wanted.InitializeEmpty({bag.values.spec().key.begin(), bag.values.spec().key.end()});
  for (size_t i = 0; i < bag.group_columns; ++i) wanted.data[i].Slice(keys.data[i], selection, rows.size());
  for (size_t i = 0; i < aggregate.arguments.size(); ++i)
    wanted.data[bag.group_columns + i].Slice(batch.chunk.data[aggregate.arguments[i]], selection, rows.size());
  wanted.SetCardinality(rows.size());
  uint64_t hashes[STANDARD_VECTOR_SIZE];
  hash_rows(wanted, hashes);
  for (size_t i = 0; i < rows.size(); ++i) hashes[i] = Bag::beside_group(groups.hash(slots[rows[i]]), hashes[i]);
  Slot found[STANDARD_VECTOR_SIZE];
  uint8_t created[STANDARD_VECTOR_SIZE];
  bag.values.find_or_create(wanted, hashes, rows.size(), found, created);
  for (size_t i = 0; i < rows.size(); ++i) {
    BagHead& head = *reinterpret_cast<BagHead*>(groups.plain(slots[rows[i]]) + offsets_[index]);
    if (created[i]) bag.attach(head, found[i]);
    bag.link(found[i]).count += batch.diff(rows[i]);
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    // A value that came and went in this batch may stand here twice; it is let go once.
    Slot slot = found[i];
    if (batch.diff(rows[i]) > 0 || bag.read_link(slot).count != 0) continue;
    bool again = false;
    for (size_t before = 0; before < i && !again; ++before)
      again = found[before] == slot && batch.diff(rows[before]) < 0;
    if (again) continue;
    bag.detach(*reinterpret_cast<BagHead*>(groups.plain(slots[rows[i]]) + offsets_[index]), slot);
  }
}

Result<> Accumulators::bag_result(const Table& groups, size_t index, const MergedSlots& rows, Vector& out) {
  const Aggregate& aggregate = aggregates_[index];
  Bag& bag = *bags_[index];
  const bool merge = aggregate.kind == AggregateKind::count_distinct || aggregate.call.distinct;
  for (size_t row = 0; row < rows.rows(); ++row) {
    const uint32_t begin = rows.begin(row), end = rows.ends[row];
    if (aggregate.kind == AggregateKind::count_distinct && end - begin == 1) {
      const auto& head = *reinterpret_cast<const BagHead*>(groups.read_plain(rows.slots[begin]) + offsets_[index]);
      FlatVector::GetData<int64_t>(out)[row] = head.distinct;
      continue;
    }
    std::vector<Slot> values;
    for (uint32_t i = begin; i < end; ++i) {
      const auto& head = *reinterpret_cast<const BagHead*>(groups.read_plain(rows.slots[i]) + offsets_[index]);
      for (Slot at = head.first_plus_one; at; at = bag.read_link(at - 1).next_plus_one) {
        int64_t copies = merge ? 1 : std::max<int64_t>(bag.read_link(at - 1).count, 0);
        values.insert(values.end(), static_cast<size_t>(copies), at - 1);
      }
    }
    DataChunk gathered;
    gathered.Initialize(duckdb::Allocator::DefaultAllocator(), {bag.argument_types.begin(), bag.argument_types.end()},
                        std::max<size_t>(values.size(), 1));
    std::vector<const char*> addresses;
    for (Slot value : values) addresses.push_back(bag.values.address(value));
    for (size_t i = 0; i < bag.argument_types.size(); ++i)
      gather_column(bag.values.layout(), bag.group_columns + i, addresses.data(), addresses.size(), gathered.data[i]);
    gathered.SetCardinality(values.size());
    sort_rows(gathered, !aggregate.call.order.empty() && aggregate.call.order[0].descending, merge);
    if (aggregate.kind == AggregateKind::count_distinct) {
      FlatVector::GetData<int64_t>(out)[row] = static_cast<int64_t>(gathered.size());
      continue;
    }
    bag.function->reset();
    HEADRACE_TRY(bag.function->add(gathered));
    HEADRACE_TRY(bag.function->result(out, row));
  }
  return {};
}

Result<> Accumulators::result(const Table& groups, size_t index, const MergedSlots& rows, Vector& out) {
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
        int64_t total = 0, values = 0;
        for (uint32_t i = rows.begin(row); i < rows.ends[row]; ++i) {
          const auto& sum = *reinterpret_cast<const IntegerSum*>(groups.read_plain(rows.slots[i]) + offset);
          if (__builtin_add_overflow(total, sum.total, &total))
            return user_error(Code::out_of_range, "SUM over the slices of a window overflows BIGINT");
          values += sum.values;
        }
        FlatVector::GetData<int64_t>(out)[row] = total;
        if (values == 0) FlatVector::SetNull(out, row, true);
      }
      return {};
    }
    case AggregateKind::sum_decimal:
      for (size_t row = 0; row < rows.rows(); ++row) {
        WideSum sum = merged<WideSum>(groups, offset, rows, row);
        FlatVector::GetData<hugeint_t>(out)[row] = narrow(sum.total);
        if (sum.values == 0) FlatVector::SetNull(out, row, true);
      }
      return {};
    case AggregateKind::average: {
      const LogicalType& type = aggregate.call.arguments[0].type();
      const double scale = type.id() == LogicalTypeId::DECIMAL ? power_of_ten(duckdb::DecimalType::GetScale(type)) : 1;
      for (size_t row = 0; row < rows.rows(); ++row) {
        WideSum sum = merged<WideSum>(groups, offset, rows, row);
        if (sum.values == 0)
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
    case AggregateKind::count_distinct:
    case AggregateKind::bag:
      return bag_result(groups, index, rows, out);
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
        if (__builtin_add_overflow(sum.total, more.total, &sum.total))
          return user_error(Code::out_of_range, "SUM over the parts of a window overflows BIGINT");
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
      case AggregateKind::bag:
        break;  // Below: values move, and rows with them.
    }
  }
  for (size_t i = 0; i < aggregates_.size(); ++i)
    if (bags_[i]) merge_bag(i, groups, into, from);
  return {};
}

/// Moves the values of one group to another: the same values under the other group's key.
void Accumulators::merge_bag(size_t index, Table& groups, Slot into, Slot from) {
  Bag& bag = *bags_[index];
  std::vector<Slot> moved;
  auto& emptied = *reinterpret_cast<BagHead*>(groups.plain(from) + offsets_[index]);
  for (Slot at = emptied.first_plus_one; at; at = bag.read_link(at - 1).next_plus_one) moved.push_back(at - 1);
  emptied = {};
  for (size_t first = 0; first < moved.size(); first += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, moved.size() - first);
    const std::vector<Slot> target(count, into);
    DataChunk wanted;
    wanted.Initialize(duckdb::Allocator::DefaultAllocator(),
                      {bag.values.spec().key.begin(), bag.values.spec().key.end()});
    for (size_t i = 0; i < bag.group_columns; ++i) groups.gather(i, target.data(), count, wanted.data[i]);
    for (size_t i = bag.group_columns; i < wanted.ColumnCount(); ++i)
      bag.values.gather(i, &moved[first], count, wanted.data[i]);
    wanted.SetCardinality(count);
    uint64_t hashes[STANDARD_VECTOR_SIZE];
    hash_rows(wanted, hashes);
    for (size_t i = 0; i < count; ++i) hashes[i] = Bag::beside_group(groups.hash(into), hashes[i]);
    Slot found[STANDARD_VECTOR_SIZE];
    uint8_t created[STANDARD_VECTOR_SIZE];
    bag.values.find_or_create(wanted, hashes, count, found, created);
    auto& head = *reinterpret_cast<BagHead*>(groups.plain(into) + offsets_[index]);
    for (size_t i = 0; i < count; ++i) {
      if (created[i]) bag.attach(head, found[i]);
      bag.link(found[i]).count += bag.read_link(moved[first + i]).count;
    }
    for (size_t i = 0; i < count; ++i) bag.values.erase(moved[first + i]);
  }
}

void Accumulators::reset(Table& groups, Slot slot) {
  erase(groups, slot);
  std::memset(groups.plain(slot), 0, plain_bytes_);
}

void Accumulators::erase(Table& groups, Slot slot) {
  for (size_t i = 0; i < aggregates_.size(); ++i) {
    if (!bags_[i]) continue;
    const auto& head = *reinterpret_cast<const BagHead*>(groups.read_plain(slot) + offsets_[i]);
    for (Slot at = head.first_plus_one; at;) {
      Slot next = bags_[i]->read_link(at - 1).next_plus_one;
      bags_[i]->values.erase(at - 1);
      at = next;
    }
  }
}

std::vector<Table*> Accumulators::tables() {
  std::vector<Table*> out;
  for (auto& bag : bags_)
    if (bag) out.push_back(&bag->values);
  return out;
}

void Accumulators::restored(Table& groups) {
  for (size_t i = 0; i < aggregates_.size(); ++i) {
    if (!bags_[i]) continue;
    Bag& bag = *bags_[i];
    for (Slot slot : groups.slots()) std::memset(groups.plain(slot) + offsets_[i], 0, sizeof(BagHead));
    // A group is found by the hash of its key's columns alone: what a table hashes beside them is its own business.
    std::unordered_multimap<uint64_t, Slot> by_key;
    each_key(groups, bag.group_columns, [&](Slot slot, uint64_t hash) { by_key.emplace(hash, slot); });
    each_key(bag.values, bag.group_columns, [&](Slot value, uint64_t hash) {
      for (auto [at, end] = by_key.equal_range(hash); at != end; ++at) {
        if (!same_columns(groups.layout(), groups.address(at->second), bag.values.layout(), bag.values.address(value),
                          bag.group_columns))
          continue;
        bag.attach(*reinterpret_cast<BagHead*>(groups.plain(at->second) + offsets_[i]), value);
        return;
      }
    });
  }
}

}  // namespace headrace
