// Table functions that exist to be bound: the planner walks their LogicalGet, nothing ever runs them.
#include <array>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/aggregate_function_catalog_entry.hpp>
#include <duckdb/function/function_binder.hpp>
#include <duckdb/function/scalar_function.hpp>
#include <duckdb/function/table_function.hpp>
#include <duckdb/main/database.hpp>
#include <duckdb/main/extension/extension_loader.hpp>
#include <duckdb/planner/expression/bound_aggregate_expression.hpp>
#include <duckdb/planner/expression/bound_reference_expression.hpp>

#include "base/result.h"
#include "base/text.h"
#include "duck/failure.h"
#include "duck/functions.h"
#include "duck/streaming_call.h"
#include "duck/walk.h"

namespace headrace {
namespace {

using duckdb::ClientContext;
using duckdb::FunctionData;
using duckdb::TableFunctionBindInput;
using duckdb::Value;

int64_t milliseconds(const Value& value, const std::string& function) {
  duckdb::interval_t interval = value.GetValue<duckdb::interval_t>();
  if (interval.months != 0)
    throw_error(
        user_error(Code::bind_error, function + " takes intervals of days or less; months have no fixed length"));
  int64_t us = interval.micros + interval.days * int64_t{86'400'000'000};
  if (us % 1000 != 0) throw_error(user_error(Code::bind_error, function + " takes intervals of whole milliseconds"));
  return us / 1000;
}

WindowKind kind_of(const std::string& function) {
  if (function == "tumble") return WindowKind::tumble;
  if (function == "hop") return WindowKind::hop;
  if (function == "cumulate") return WindowKind::cumulate;
  return WindowKind::session;
}

std::vector<std::string> split_keys(const std::string& text) {
  std::vector<std::string> keys;
  for (size_t at = 0; at < text.size();) {
    size_t comma = std::min(text.find(',', at), text.size());
    keys.push_back(text.substr(at, comma - at));
    at = comma + 1;
  }
  return keys;
}

constexpr std::array window_columns{"window_start", "window_end", "window_time"};

/// The columns that a window function adds must not be there before.
void check_free(const std::string& function, const duckdb::vector<std::string>& given) {
  std::string taken;
  for (const std::string& name : given)
    for (const char* added : window_columns)
      if (same_name(name, added)) taken += (taken.empty() ? "" : ", ") + name;
  if (taken.empty()) return;
  throw_error(
      user_error(Code::bind_error,
                 function + " adds window_start, window_end and window_time, and its table already has " + taken)
          .with_remedy("rename or leave them out below: TABLE (SELECT window_time AS rowtime, ... FROM t), "
                       "DESCRIPTOR(rowtime)"));
}

duckdb::unique_ptr<FunctionData> bind_window(ClientContext&, TableFunctionBindInput& input,
                                             duckdb::vector<LogicalType>& types,
                                             duckdb::vector<duckdb::string>& names) {
  auto data = duckdb::make_uniq<StreamingCallData>();
  StreamingCall& call = data->call;
  call.function = input.table_function.name;
  call.window = kind_of(call.function);
  for (const Value& value : input.inputs) {
    if (value.type().id() == LogicalTypeId::INTERVAL) call.window_ms.push_back(milliseconds(value, call.function));
    if (value.type().id() != LogicalTypeId::VARCHAR || value.IsNull()) continue;
    if (call.time_column.empty())
      call.time_column = value.GetValue<std::string>();
    else
      call.session_keys = split_keys(value.GetValue<std::string>());
  }
  size_t lengths = call.window == WindowKind::session ? 1 : call.window_ms.size() - 1;
  for (size_t i = 0; i < lengths; ++i)
    if (call.window_ms[i] <= 0) throw_error(user_error(Code::bind_error, call.function + " takes positive lengths"));
  if (call.window == WindowKind::cumulate && call.window_ms[1] % call.window_ms[0] != 0)
    throw_error(user_error(Code::bind_error, "cumulate takes a size that is a whole number of steps; " +
                                                 std::to_string(call.window_ms[1]) + " ms is not a multiple of " +
                                                 std::to_string(call.window_ms[0]) + " ms")
                    .with_remedy("make the size a multiple of the step"));
  LogicalType time_type;
  for (size_t i = 0; i < input.input_table_names.size(); ++i) {
    types.push_back(input.input_table_types[i]);
    names.push_back(input.input_table_names[i]);
    if (same_name(input.input_table_names[i], call.time_column)) time_type = input.input_table_types[i];
  }
  if (time_type.id() == LogicalTypeId::INVALID)
    throw_error(user_error(Code::unknown_column, "DESCRIPTOR names a column that is not there: " + call.time_column));
  if (time_type.id() != LogicalTypeId::TIMESTAMP && time_type.id() != LogicalTypeId::TIMESTAMP_TZ)
    throw_error(user_error(Code::bad_time_column, "DESCRIPTOR(" + call.time_column + ") is " + time_type.ToString() +
                                                      ", not an event-time column")
                    .with_remedy("name a TIMESTAMP column for which the source declares WATERMARK FOR"));
  check_free(call.function, input.input_table_names);
  for (const char* name : window_columns) {
    types.push_back(time_type);
    names.push_back(name);
  }
  return data;
}

struct LateRelations final : duckdb::TableFunctionInfo {
  explicit LateRelations(std::shared_ptr<const RelationColumns> relations_) : relations(std::move(relations_)) {}
  std::shared_ptr<const RelationColumns> relations;
};

duckdb::unique_ptr<FunctionData> bind_late(ClientContext&, TableFunctionBindInput& input,
                                           duckdb::vector<LogicalType>& types, duckdb::vector<duckdb::string>& names) {
  auto data = duckdb::make_uniq<StreamingCallData>();
  data->call.kind = StreamingCall::Kind::late;
  data->call.function = "headrace_late";
  data->call.relation = input.inputs[0].GetValue<std::string>();
  const RelationColumns& relations = *input.info->Cast<LateRelations>().relations;
  auto found = relations.find(duckdb::StringUtil::Lower(data->call.relation));
  if (found == relations.end())
    throw_error(user_error(Code::unknown_relation, "late(" + data->call.relation + "): no such source"));
  for (const BoundColumn& column : found->second) {
    types.push_back(column.type);
    names.push_back(column.name);
  }
  types.push_back(LogicalType::VARCHAR);
  names.push_back("late_operator");
  types.push_back(LogicalType::TIMESTAMP);
  names.push_back("late_watermark");
  return data;
}

/// The aggregate `name` over input column `column`.
AggregateCall bind_aggregate(ClientContext& context, const std::string& name, size_t column, const LogicalType& type) {
  auto& entry = duckdb::Catalog::GetEntry(context, duckdb::CatalogType::AGGREGATE_FUNCTION_ENTRY, INVALID_CATALOG,
                                          INVALID_SCHEMA, name)
                    .Cast<duckdb::AggregateFunctionCatalogEntry>();
  duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> arguments;
  arguments.push_back(duckdb::make_uniq<duckdb::BoundReferenceExpression>(type, column));
  duckdb::FunctionBinder binder(context);
  duckdb::ErrorData error;
  duckdb::optional_idx best = binder.BindFunction(name, entry.functions, arguments, error);
  if (!best.IsValid()) throw_error(user_error(Code::bind_error, error.RawMessage()));
  return call_of(
      *binder.BindAggregateFunction(entry.functions.GetFunctionByOffset(best.GetIndex()), std::move(arguments)));
}

duckdb::unique_ptr<FunctionData> bind_match(ClientContext& context, TableFunctionBindInput& input,
                                            duckdb::vector<LogicalType>& types, duckdb::vector<duckdb::string>& names) {
  auto data = duckdb::make_uniq<StreamingCallData>();
  data->call.function = "headrace_match";
  Result<MatchSpec> decoded = decode_match(input.inputs.back().GetValue<std::string>());
  if (!decoded) throw_error(std::move(decoded).error());
  const MatchSpec& spec = *(data->call.match = std::make_shared<MatchSpec>(*std::move(decoded)));
  if (input.input_table_types.size() < spec.added_columns())
    throw_error(user_error(Code::bind_error, "headrace_match reads a table that MATCH_RECOGNIZE did not make"));
  const size_t own = input.input_table_types.size() - spec.added_columns();
  auto give = [&](const std::string& name, const LogicalType& type) {
    names.push_back(name);
    types.push_back(type);
  };
  for (size_t key = 0; key < spec.keys; ++key)
    give("headrace_key" + std::to_string(key), input.input_table_types[own + key]);
  const LogicalType& time = input.input_table_types[own + spec.keys];
  if (time.id() != LogicalTypeId::TIMESTAMP && time.id() != LogicalTypeId::TIMESTAMP_TZ)
    throw_error(user_error(Code::bad_time_column,
                           "MATCH_RECOGNIZE is ordered by a " + time.ToString() + ", not by an event-time column")
                    .with_remedy("write ORDER BY and the column of WATERMARK FOR first"));
  give("headrace_time", time);
  const size_t arguments = own + spec.added_columns() - spec.arguments;
  auto give_values = [&](const std::string& name, const std::vector<MatchValue>& values) {
    for (size_t i = 0; i < values.size(); ++i) {
      const LogicalType& type = input.input_table_types[arguments + values[i].argument];
      AggregateCall call;
      if (values[i].kind == MatchValue::Kind::aggregate)
        call = bind_aggregate(context, values[i].function, arguments + values[i].argument, type);
      give(name + std::to_string(i), call.bound ? call.type : type);
      data->call.match_calls.push_back(std::move(call));
    }
  };
  give_values("headrace_m", spec.measures);
  give_values("headrace_d", spec.conditions);
  for (size_t i = 0; i < own; ++i) give(input.input_table_names[i], input.input_table_types[i]);
  return data;
}

duckdb::OperatorResultType never_run(duckdb::ExecutionContext&, duckdb::TableFunctionInput&, DataChunk&, DataChunk&) {
  throw_error({Code::internal, Blame::engine, Retry::never, "a window function was executed by DuckDB"});
}

void never_scan(ClientContext&, duckdb::TableFunctionInput&, DataChunk&) {
  throw_error({Code::internal, Blame::engine, Retry::never, "late() was executed by DuckDB"});
}

void never_call(DataChunk&, duckdb::ExpressionState&, Vector&) {
  throw_error({Code::internal, Blame::engine, Retry::never, "a function that is only bound was executed by DuckDB"});
}

}  // namespace

void register_streaming_functions(duckdb::DatabaseInstance& database,
                                  std::shared_ptr<const RelationColumns> relations) {
  duckdb::ExtensionLoader loader(database, "headrace");
  struct Form {
    const char* name;
    size_t lengths;
  };
  for (Form form : {Form{"tumble", 2}, Form{"hop", 3}, Form{"cumulate", 3}, Form{"session", 1}}) {
    duckdb::vector<LogicalType> arguments{LogicalType::TABLE, LogicalType::VARCHAR};
    for (size_t i = 0; i < form.lengths; ++i) arguments.push_back(LogicalType::INTERVAL);
    if (std::string_view(form.name) == "session") arguments.push_back(LogicalType::VARCHAR);
    duckdb::TableFunction function(form.name, arguments, nullptr, bind_window);
    function.in_out_function = never_run;
    loader.RegisterFunction(function);
  }
  duckdb::TableFunction late("headrace_late", {LogicalType::VARCHAR}, never_scan, bind_late);
  late.function_info = duckdb::make_shared_ptr<LateRelations>(std::move(relations));
  loader.RegisterFunction(late);
  duckdb::ScalarFunctionSet as_of("headrace_as_of");
  for (const LogicalType& type : {LogicalType::TIMESTAMP, LogicalType::TIMESTAMP_TZ}) {
    duckdb::ScalarFunction of_type("headrace_as_of", {type}, LogicalType::BOOLEAN, never_call);
    of_type.stability = duckdb::FunctionStability::VOLATILE;
    as_of.AddFunction(of_type);
  }
  loader.RegisterFunction(as_of);
  duckdb::TableFunction match("headrace_match", {LogicalType::TABLE, LogicalType::VARCHAR}, nullptr, bind_match);
  match.in_out_function = never_run;
  loader.RegisterFunction(match);
  duckdb::ScalarFunction define("headrace_define", {}, LogicalType::BOOLEAN, never_call);
  define.varargs = LogicalType::BOOLEAN;
  define.stability = duckdb::FunctionStability::VOLATILE;
  loader.RegisterFunction(define);
}

}  // namespace headrace
