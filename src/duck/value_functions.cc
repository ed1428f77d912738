// SUM with the result types of docs/reference/sql.md, registered over DuckDB's own so that planning and ad-hoc queries
// agree.
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_transaction.hpp>
#include <duckdb/common/enums/database_modification_type.hpp>
#include <duckdb/common/types/hugeint.hpp>
#include <duckdb/common/vector_operations/aggregate_executor.hpp>
#include <duckdb/function/aggregate_function.hpp>
#include <duckdb/main/connection.hpp>
#include <duckdb/main/database.hpp>
#include <duckdb/parser/parsed_data/create_aggregate_function_info.hpp>
#include <duckdb/transaction/meta_transaction.hpp>

#include "base/result.h"
#include "duck/failure.h"
#include "duck/functions.h"

namespace headrace {
namespace {

template <class T>
struct SumState {
  T total;
  bool seen;
};

[[noreturn]] void refuse_sum_beyond_bigint() {
  throw_error(user_error(Code::out_of_range, "SUM overflows BIGINT")
                  .with_remedy("sum a DECIMAL: SUM(CAST(x AS DECIMAL(38, 0)))"));
}

void add_checked(int64_t& total, int64_t value) {
  if (__builtin_add_overflow(total, value, &total)) refuse_sum_beyond_bigint();
}

void add_checked(duckdb::hugeint_t& total, duckdb::hugeint_t value) {
  if (!duckdb::Hugeint::TryAddInPlace(total, value))
    throw_error(user_error(Code::out_of_range, "SUM overflows DECIMAL(38)"));
}

void add_checked(int64_t& total, duckdb::hugeint_t value) {
  duckdb::hugeint_t sum = total;
  if (!duckdb::Hugeint::TryAddInPlace(sum, value) || !duckdb::Hugeint::TryCast(sum, total)) refuse_sum_beyond_bigint();
}

template <class T>
struct Sum {
  template <class STATE>
  static void Initialize(STATE& state) {
    state.total = T(0);
    state.seen = false;
  }
  template <class INPUT, class STATE, class OP>
  static void Operation(STATE& state, const INPUT& input, duckdb::AggregateUnaryInput&) {
    if constexpr (std::is_same_v<INPUT, duckdb::hugeint_t>)
      add_checked(state.total, input);
    else
      add_checked(state.total, T(input));
    state.seen = true;
  }
  template <class INPUT, class STATE, class OP>
  static void ConstantOperation(STATE& state, const INPUT& input, duckdb::AggregateUnaryInput& unary,
                                duckdb::idx_t count) {
    for (duckdb::idx_t i = 0; i < count; ++i) Operation<INPUT, STATE, OP>(state, input, unary);
  }
  template <class STATE, class OP>
  static void Combine(const STATE& source, STATE& target, duckdb::AggregateInputData&) {
    if (!source.seen) return;
    add_checked(target.total, source.total);
    target.seen = true;
  }
  template <class RESULT, class STATE>
  static void Finalize(STATE& state, RESULT& target, duckdb::AggregateFinalizeData& finalize) {
    if (state.seen)
      target = state.total;
    else
      finalize.ReturnNull();
  }
  static bool IgnoreNull() { return true; }
};

template <class INPUT, class T>
duckdb::AggregateFunction sum_of(const LogicalType& input, const LogicalType& result) {
  return duckdb::AggregateFunction::UnaryAggregate<SumState<T>, INPUT, T, Sum<T>>(input, result);
}

duckdb::AggregateFunction decimal_sum(const LogicalType& input) {
  LogicalType result = LogicalType::DECIMAL(38, duckdb::DecimalType::GetScale(input));
  switch (input.InternalType()) {
    case duckdb::PhysicalType::INT16:
      return sum_of<int16_t, duckdb::hugeint_t>(input, result);
    case duckdb::PhysicalType::INT32:
      return sum_of<int32_t, duckdb::hugeint_t>(input, result);
    case duckdb::PhysicalType::INT64:
      return sum_of<int64_t, duckdb::hugeint_t>(input, result);
    default:
      return sum_of<duckdb::hugeint_t, duckdb::hugeint_t>(input, result);
  }
}

duckdb::unique_ptr<duckdb::FunctionData> bind_decimal_sum(
    duckdb::ClientContext&, duckdb::AggregateFunction& function,
    duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>& arguments) {
  function = decimal_sum(arguments[0]->return_type);
  function.name = "sum";
  return nullptr;
}

struct DoubleSum {
  template <class STATE>
  static void Initialize(STATE& state) {
    state.total = 0;
    state.seen = false;
  }
  template <class INPUT, class STATE, class OP>
  static void Operation(STATE& state, const INPUT& input, duckdb::AggregateUnaryInput&) {
    state.total += input;
    state.seen = true;
  }
  template <class INPUT, class STATE, class OP>
  static void ConstantOperation(STATE& state, const INPUT& input, duckdb::AggregateUnaryInput&, duckdb::idx_t count) {
    state.total += input * static_cast<double>(count);
    state.seen = true;
  }
  template <class STATE, class OP>
  static void Combine(const STATE& source, STATE& target, duckdb::AggregateInputData&) {
    target.total += source.total;
    target.seen |= source.seen;
  }
  template <class RESULT, class STATE>
  static void Finalize(STATE& state, RESULT& target, duckdb::AggregateFinalizeData& finalize) {
    if (state.seen)
      target = state.total;
    else
      finalize.ReturnNull();
  }
  static bool IgnoreNull() { return true; }
};

}  // namespace

void register_value_functions(duckdb::DatabaseInstance& database) {
  duckdb::AggregateFunctionSet sum("sum");
  sum.AddFunction(sum_of<int8_t, int64_t>(LogicalType::TINYINT, LogicalType::BIGINT));
  sum.AddFunction(sum_of<int16_t, int64_t>(LogicalType::SMALLINT, LogicalType::BIGINT));
  sum.AddFunction(sum_of<int32_t, int64_t>(LogicalType::INTEGER, LogicalType::BIGINT));
  sum.AddFunction(sum_of<int64_t, int64_t>(LogicalType::BIGINT, LogicalType::BIGINT));
  sum.AddFunction(sum_of<duckdb::hugeint_t, int64_t>(LogicalType::HUGEINT, LogicalType::BIGINT));
  sum.AddFunction(duckdb::AggregateFunction::UnaryAggregate<SumState<double>, double, double, DoubleSum>(
      LogicalType::DOUBLE, LogicalType::DOUBLE));
  duckdb::AggregateFunction decimals = decimal_sum(LogicalType::DECIMAL(38, 0));
  decimals.arguments = {LogicalType(LogicalTypeId::DECIMAL)};
  decimals.bind = bind_decimal_sum;
  sum.AddFunction(decimals);
  duckdb::CreateAggregateFunctionInfo info(sum);
  info.schema = DEFAULT_SCHEMA;
  info.internal = false;
  info.on_conflict = duckdb::OnCreateConflict::REPLACE_ON_CONFLICT;
  // The user's catalogue is searched before the system's, so this one is found first.
  duckdb::Connection connection(database);
  connection.BeginTransaction();
  auto& context = *connection.context;
  auto& catalog = duckdb::Catalog::GetCatalog(context, duckdb::DatabaseManager::GetDefaultDatabase(context));
  duckdb::MetaTransaction::Get(context).ModifyDatabase(catalog.GetAttached(),
                                                       duckdb::DatabaseModificationType::CREATE_CATALOG_ENTRY);
  catalog.CreateFunction(context, info);
  connection.Commit();
}

}  // namespace headrace
