#include "duck/user_functions.h"

#include <algorithm>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry.hpp>
#include <duckdb/function/aggregate_function.hpp>
#include <duckdb/function/scalar_function.hpp>
#include <duckdb/function/table_function.hpp>
#include <duckdb/main/client_context.hpp>
#include <duckdb/main/database.hpp>
#include <duckdb/main/extension/extension_loader.hpp>
#include <duckdb/planner/expression.hpp>

#include "base/text.h"
#include "duck/failure.h"
#include "duck/streaming_call.h"
#include "duck/user_function_info.h"

namespace headrace {
namespace {

using duckdb::AggregateInputData;
using duckdb::FlatVector;
using duckdb::UnifiedVectorFormat;

/// "a,b" (plan/rewrite_windows.cc).
std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    const size_t comma = std::min(text.find(',', at), text.size());
    out.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return out;
}

std::string joined_names(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

Result<> refuse_known(duckdb::ClientContext& context, const std::string& name) {
  using duckdb::CatalogType;
  bool known = false;
  context.RunFunctionInTransaction([&] {
    for (CatalogType type : {CatalogType::SCALAR_FUNCTION_ENTRY, CatalogType::AGGREGATE_FUNCTION_ENTRY,
                             CatalogType::MACRO_ENTRY, CatalogType::TABLE_FUNCTION_ENTRY})
      known = known || duckdb::Catalog::GetSystemCatalog(context).GetEntry(
                           context, DEFAULT_SCHEMA, duckdb::EntryLookupInfo(type, name),
                           duckdb::OnEntryNotFound::RETURN_NULL) != nullptr;
  });
  if (!known) return {};
  return user_error(Code::duplicate_name, "SQL has a function " + name + " of its own").with_remedy("rename yours");
}

// ---- Aggregates: a state keeps the rows of its group, and the user's function runs when the groups are finished ----

struct AggregateInfo final : duckdb::AggregateFunctionInfo {
  explicit AggregateInfo(AggregateFunctionSpec spec_) : spec(std::move(spec_)) {}
  const AggregateFunctionSpec spec;
};

/// Carries the specification to the calls.
struct AggregateBind final : duckdb::FunctionData {
  explicit AggregateBind(duckdb::shared_ptr<duckdb::AggregateFunctionInfo> info_) : info(std::move(info_)) {}
  duckdb::unique_ptr<duckdb::FunctionData> Copy() const override { return duckdb::make_uniq<AggregateBind>(info); }
  bool Equals(const duckdb::FunctionData& other) const override { return info == other.Cast<AggregateBind>().info; }
  const AggregateFunctionSpec& spec() const { return info->Cast<AggregateInfo>().spec; }

  duckdb::shared_ptr<duckdb::AggregateFunctionInfo> info;
};

struct GroupState {
  std::vector<std::vector<duckdb::Value>>* rows;
};

duckdb::unique_ptr<duckdb::FunctionData> bind_aggregate(duckdb::ClientContext&, duckdb::AggregateFunction& function,
                                                        duckdb::vector<duckdb::unique_ptr<duckdb::Expression>>&) {
  return duckdb::make_uniq<AggregateBind>(function.function_info);
}

duckdb::idx_t state_size(const duckdb::AggregateFunction&) {
  return sizeof(GroupState);
}

void begin_group(const duckdb::AggregateFunction&, duckdb::data_ptr_t state) {
  reinterpret_cast<GroupState*>(state)->rows = nullptr;
}

GroupState** states_of(Vector& states, UnifiedVectorFormat& format, duckdb::idx_t count) {
  states.ToUnifiedFormat(count, format);
  return UnifiedVectorFormat::GetDataNoConst<GroupState*>(format);
}

void add_rows(Vector inputs[], AggregateInputData& input, duckdb::idx_t columns, Vector& states, duckdb::idx_t count) {
  const AggregateFunctionSpec& spec = input.bind_data->Cast<AggregateBind>().spec();
  UnifiedVectorFormat format;
  GroupState** addresses = states_of(states, format, count);
  for (duckdb::idx_t row = 0; row < count; ++row) {
    std::vector<duckdb::Value> values;
    bool taken = true;
    for (duckdb::idx_t column = 0; column < columns && taken; ++column) {
      values.push_back(inputs[column].GetValue(row));
      taken = spec.takes_null[column] || !values.back().IsNull();
    }
    if (!taken) continue;
    GroupState& state = *addresses[format.sel->get_index(row)];
    if (state.rows == nullptr) state.rows = new std::vector<std::vector<duckdb::Value>>();
    state.rows->push_back(std::move(values));
  }
}

void merge_groups(Vector& from, Vector& into, AggregateInputData&, duckdb::idx_t count) {
  UnifiedVectorFormat from_format, into_format;
  GroupState** sources = states_of(from, from_format, count);
  GroupState** targets = states_of(into, into_format, count);
  for (duckdb::idx_t i = 0; i < count; ++i) {
    GroupState& source = *sources[from_format.sel->get_index(i)];
    GroupState& target = *targets[into_format.sel->get_index(i)];
    if (source.rows == nullptr) continue;
    if (target.rows == nullptr) target.rows = new std::vector<std::vector<duckdb::Value>>();
    target.rows->insert(target.rows->end(), source.rows->begin(), source.rows->end());
  }
}

void finish_groups(Vector& states, AggregateInputData& input, Vector& result, duckdb::idx_t count,
                   duckdb::idx_t offset) {
  const AggregateFunctionSpec& spec = input.bind_data->Cast<AggregateBind>().spec();
  UnifiedVectorFormat format;
  GroupState** addresses = states_of(states, format, count);
  size_t total = 0;
  for (duckdb::idx_t i = 0; i < count; ++i)
    if (auto* rows = addresses[format.sel->get_index(i)]->rows) total += rows->size();
  DataChunk values;
  values.Initialize(duckdb::Allocator::DefaultAllocator(), {spec.arguments.begin(), spec.arguments.end()},
                    std::max<size_t>(total, 1));
  std::vector<uint32_t> ends;
  size_t at = 0;
  for (duckdb::idx_t i = 0; i < count; ++i) {
    if (auto* rows = addresses[format.sel->get_index(i)]->rows)
      for (const auto& row : *rows) {
        for (size_t column = 0; column < row.size(); ++column) values.SetValue(column, at, row[column]);
        ++at;
      }
    ends.push_back(static_cast<uint32_t>(at));
  }
  values.SetCardinality(total);
  Vector results(spec.result, count);
  if (Result<> done = spec.body(values, ends, results); !done) throw_error(std::move(done).error());
  duckdb::VectorOperations::Copy(results, result, count, 0, offset);
}

void end_groups(Vector& states, AggregateInputData&, duckdb::idx_t count) {
  UnifiedVectorFormat format;
  GroupState** addresses = states_of(states, format, count);
  for (duckdb::idx_t i = 0; i < count; ++i) delete addresses[format.sel->get_index(i)]->rows;
}

// ---- Table functions: for each row of arguments the rows that the user's function gives ----

template <class Spec>
struct TableInfo final : duckdb::TableFunctionInfo {
  explicit TableInfo(Spec spec_) : spec(std::make_shared<const Spec>(std::move(spec_))) {}
  std::shared_ptr<const Spec> spec;
};

template <class Spec>
std::shared_ptr<const Spec> spec_of(const duckdb::TableFunctionBindInput& input) {
  return input.info->Cast<TableInfo<Spec>>().spec;
}

void give_columns(const std::vector<BoundColumn>& columns, duckdb::vector<LogicalType>& types,
                  duckdb::vector<duckdb::string>& names) {
  for (const BoundColumn& column : columns) {
    types.push_back(column.type);
    names.push_back(column.name);
  }
}

duckdb::unique_ptr<duckdb::FunctionData> bind_table(duckdb::ClientContext&, duckdb::TableFunctionBindInput& input,
                                                    duckdb::vector<LogicalType>& types,
                                                    duckdb::vector<duckdb::string>& names) {
  auto data = duckdb::make_uniq<StreamingCallData>();
  data->table = spec_of<TableFunctionSpec>(input);
  data->call.kind = StreamingCall::Kind::table;
  data->call.function = data->table->name;
  give_columns(data->table->columns, types, names);
  return data;
}

/// The arguments, which stand first in the input, in the types that the function takes.
void take_arguments(const TableFunctionSpec& spec, DataChunk& input, DataChunk& out) {
  out.Initialize(duckdb::Allocator::DefaultAllocator(), {spec.arguments.begin(), spec.arguments.end()});
  for (size_t i = 0; i < spec.arguments.size(); ++i) {
    if (input.data[i].GetType() == spec.arguments[i])
      out.data[i].Reference(input.data[i]);
    else
      duckdb::VectorOperations::DefaultCast(input.data[i], out.data[i], input.size());
  }
  out.SetCardinality(input.size());
}

/// Where a query is in the rows made of one chunk of arguments.
struct TableRun final : duckdb::LocalTableFunctionState {
  std::unique_ptr<Vector> lists;  ///< Null = the next chunk has not been begun.
  size_t row = 0, item = 0;
};

duckdb::unique_ptr<duckdb::LocalTableFunctionState> begin_table(duckdb::ExecutionContext&,
                                                                duckdb::TableFunctionInitInput&,
                                                                duckdb::GlobalTableFunctionState*) {
  return duckdb::make_uniq<TableRun>();
}

/// Calls the function on a chunk of arguments.
void begin_rows(const TableFunctionSpec& spec, DataChunk& arguments, TableRun& run) {
  duckdb::child_list_t<LogicalType> fields;
  for (const BoundColumn& column : spec.columns) fields.emplace_back(column.name, column.type);
  run.lists = std::make_unique<Vector>(LogicalType::LIST(LogicalType::STRUCT(std::move(fields))),
                                       std::max<size_t>(arguments.size(), 1));
  run.row = run.item = 0;
  if (Result<> done = spec.body(arguments, *run.lists); !done) throw_error(std::move(done).error());
}

/// Writes the next rows of what the function gave for `rows` rows; false when there are none left.
bool give_rows(TableRun& run, size_t rows, DataChunk& output) {
  const auto* entries = FlatVector::GetData<duckdb::list_entry_t>(*run.lists);
  duckdb::SelectionVector taken(STANDARD_VECTOR_SIZE);
  size_t count = 0;
  for (; run.row < rows && count < STANDARD_VECTOR_SIZE; ++run.row, run.item = 0) {
    if (!FlatVector::Validity(*run.lists).RowIsValid(run.row)) continue;
    const duckdb::list_entry_t& entry = entries[run.row];
    for (; run.item < entry.length && count < STANDARD_VECTOR_SIZE; ++run.item)
      taken.set_index(count++, entry.offset + run.item);
    if (run.item < entry.length) break;
  }
  auto& columns = duckdb::StructVector::GetEntries(duckdb::ListVector::GetEntry(*run.lists));
  for (size_t i = 0; i < columns.size(); ++i)
    duckdb::VectorOperations::Copy(*columns[i], output.data[i], taken, count, 0, 0);
  output.SetCardinality(count);
  return count > 0;
}

/// For each chunk of rows before it; constant arguments are one row.
duckdb::OperatorResultType run_table(duckdb::ExecutionContext&, duckdb::TableFunctionInput& data, DataChunk& input,
                                     DataChunk& output) {
  const TableFunctionSpec& spec = *data.bind_data->Cast<StreamingCallData>().table;
  TableRun& run = data.local_state->Cast<TableRun>();
  if (!run.lists) {
    DataChunk arguments;
    take_arguments(spec, input, arguments);
    begin_rows(spec, arguments, run);
  }
  if (give_rows(run, input.size(), output)) return duckdb::OperatorResultType::HAVE_MORE_OUTPUT;
  run.lists.reset();
  return duckdb::OperatorResultType::NEED_MORE_INPUT;
}

// ---- Process functions: bound by a pipeline's planner, and run by no query ----

duckdb::unique_ptr<duckdb::FunctionData> bind_process(duckdb::ClientContext&, duckdb::TableFunctionBindInput& input,
                                                      duckdb::vector<LogicalType>& types,
                                                      duckdb::vector<duckdb::string>& names) {
  const ProcessFunctionSpec& spec = *spec_of<ProcessFunctionSpec>(input);
  auto data = duckdb::make_uniq<StreamingCallData>();
  data->call.kind = StreamingCall::Kind::process;
  data->call.function = spec.name;
  for (const duckdb::Value& value : input.inputs)  // The table itself stands among them without a value.
    if (value.type().id() == LogicalTypeId::VARCHAR && !value.IsNull())
      data->call.session_keys = split_names(value.GetValue<std::string>());
  if (data->call.session_keys.empty()) data->call.session_keys = spec.key;
  bool same = data->call.session_keys.size() == spec.key.size();
  for (size_t i = 0; same && i < spec.key.size(); ++i) same = same_name(spec.key[i], data->call.session_keys[i]);
  if (!same)
    throw_error(user_error(Code::bind_error, spec.name + " is partitioned by other columns than its key")
                    .with_remedy("write PARTITION BY " + joined_names(spec.key)));
  for (const std::string& key : spec.key)
    if (std::none_of(input.input_table_names.begin(), input.input_table_names.end(),
                     [&](const std::string& name) { return same_name(name, key); }))
      throw_error(user_error(Code::unknown_column, spec.name + ": its table has no column " + key));
  give_columns(spec.columns, types, names);
  return data;
}

duckdb::OperatorResultType never_run(duckdb::ExecutionContext&, duckdb::TableFunctionInput&, DataChunk&, DataChunk&) {
  throw_error({Code::internal, Blame::engine, Retry::never, "a process function was executed by DuckDB"});
}

}  // namespace

Result<> register_function(duckdb::ClientContext& context, const TableFunctionSpec& spec) {
  return guarded(Code::bind_error, [&]() -> Result<> {
    HEADRACE_TRY(refuse_known(context, spec.name));
    duckdb::TableFunction function(spec.name, {spec.arguments.begin(), spec.arguments.end()}, nullptr, bind_table,
                                   nullptr, begin_table);
    function.in_out_function = run_table;
    function.function_info = duckdb::make_shared_ptr<TableInfo<TableFunctionSpec>>(spec);
    duckdb::ExtensionLoader loader(*context.db, "headrace");
    loader.RegisterFunction(function);
    return {};
  });
}

Result<> register_function(duckdb::ClientContext& context, const ProcessFunctionSpec& spec) {
  return guarded(Code::bind_error, [&]() -> Result<> {
    HEADRACE_TRY(refuse_known(context, spec.name));
    duckdb::TableFunction function(spec.name, {LogicalType::TABLE, LogicalType::VARCHAR}, nullptr, bind_process);
    function.in_out_function = never_run;
    function.function_info = duckdb::make_shared_ptr<TableInfo<ProcessFunctionSpec>>(spec);
    duckdb::ExtensionLoader loader(*context.db, "headrace");
    loader.RegisterFunction(function);
    return {};
  });
}

Result<> register_function(duckdb::ClientContext& context, const ScalarFunctionSpec& spec) {
  return guarded(Code::bind_error, [&]() -> Result<> {
    HEADRACE_TRY(refuse_known(context, spec.name));
    duckdb::ScalarFunction function(spec.name, {spec.arguments.begin(), spec.arguments.end()}, spec.result,
                                    [body = spec.body](DataChunk& in, duckdb::ExpressionState&, Vector& out) {
                                      if (Result<> done = body(in, out); !done) throw_error(std::move(done).error());
                                    });
    function.SetExtraFunctionInfo<UserFunctionInfo>(spec.body);
    // Never folded while planning: it runs in a worker, and only there.
    function.stability =
        spec.deterministic ? duckdb::FunctionStability::CONSISTENT_WITHIN_QUERY : duckdb::FunctionStability::VOLATILE;
    function.null_handling = duckdb::FunctionNullHandling::SPECIAL_HANDLING;
    duckdb::ExtensionLoader loader(*context.db, "headrace");
    loader.RegisterFunction(function);
    return {};
  });
}

Result<> register_function(duckdb::ClientContext& context, const AggregateFunctionSpec& spec) {
  return guarded(Code::bind_error, [&]() -> Result<> {
    HEADRACE_TRY(refuse_known(context, spec.name));
    duckdb::AggregateFunction function(spec.name, {spec.arguments.begin(), spec.arguments.end()}, spec.result,
                                       state_size, begin_group, add_rows, merge_groups, finish_groups,
                                       duckdb::FunctionNullHandling::SPECIAL_HANDLING, nullptr, bind_aggregate,
                                       end_groups);
    function.function_info = duckdb::make_shared_ptr<AggregateInfo>(spec);
    function.order_dependent = spec.ordered ? duckdb::AggregateOrderDependent::ORDER_DEPENDENT
                                            : duckdb::AggregateOrderDependent::NOT_ORDER_DEPENDENT;
    duckdb::ExtensionLoader loader(*context.db, "headrace");
    loader.RegisterFunction(function);
    return {};
  });
}

}  // namespace headrace
