// now() and its kin: the time of the tick that a row is in, the same for all its rows, and told again when the tick is
// run again.
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/common/enums/database_modification_type.hpp>
#include <duckdb/function/scalar_function.hpp>
#include <duckdb/main/connection.hpp>
#include <duckdb/main/database.hpp>
#include <duckdb/main/database_manager.hpp>
#include <duckdb/parser/parsed_data/create_scalar_function_info.hpp>
#include <duckdb/transaction/meta_transaction.hpp>

#include "duck/functions.h"

namespace headrace {
namespace {

/// A shard evaluates on one thread: its tick's time lies there.
thread_local int64_t tick_time_us = 0;

duckdb::ScalarFunction time_function(const LogicalType& result) {
  duckdb::ScalarFunction function({}, result, [result](DataChunk&, duckdb::ExpressionState&, Vector& out) {
    if (result.id() == LogicalTypeId::TIMESTAMP_TZ)
      out.Reference(duckdb::Value::TIMESTAMPTZ(duckdb::timestamp_tz_t(tick_time_us)));
    else if (result.id() == LogicalTypeId::TIMESTAMP)
      out.Reference(duckdb::Value::TIMESTAMP(duckdb::timestamp_t(tick_time_us)));
    else
      out.Reference(duckdb::Value::DATE(duckdb::Timestamp::GetDate(duckdb::timestamp_t(tick_time_us))));
  });
  // A row and its retraction come in different ticks.
  function.stability = duckdb::FunctionStability::VOLATILE;
  return function;
}

}  // namespace

void set_tick_time(int64_t now_us) {
  tick_time_us = now_us;
}

int64_t tick_time() {
  return tick_time_us;
}

void register_now_functions(duckdb::DatabaseInstance& database) {
  duckdb::Connection connection(database);
  connection.BeginTransaction();
  auto& context = *connection.context;
  auto& catalog = duckdb::Catalog::GetCatalog(context, duckdb::DatabaseManager::GetDefaultDatabase(context));
  duckdb::MetaTransaction::Get(context).ModifyDatabase(catalog.GetAttached(),
                                                       duckdb::DatabaseModificationType::CREATE_CATALOG_ENTRY);
  auto add = [&](const char* name, const LogicalType& result) {
    duckdb::ScalarFunctionSet set(name);
    set.AddFunction(time_function(result));
    duckdb::CreateScalarFunctionInfo info(set);
    info.schema = DEFAULT_SCHEMA;
    info.internal = false;
    info.on_conflict = duckdb::OnCreateConflict::REPLACE_ON_CONFLICT;
    catalog.CreateFunction(context, info);
  };
  for (const char* name : {"now", "get_current_timestamp", "transaction_timestamp"})
    add(name, LogicalType::TIMESTAMP_TZ);
  for (const char* name : {"current_localtimestamp", "localtimestamp"}) add(name, LogicalType::TIMESTAMP);
  for (const char* name : {"current_date", "today"}) add(name, LogicalType::DATE);
  connection.Commit();
}

}  // namespace headrace
