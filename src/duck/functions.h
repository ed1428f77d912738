// The functions that make DuckDB mean what docs/reference/sql.md says: SUM with fixed result types, window table
// functions (binding only), late(x), headrace_as_of. Registered in every instance that plans or answers our SQL.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "duck/bound_relation.h"

namespace duckdb {
class DatabaseInstance;
}

namespace headrace {

/// The relations that late('x') may name; shared with the session that adds them. Keys in lower case.
using RelationColumns = std::map<std::string, std::vector<BoundColumn>>;

/// Registers SUM over integers as BIGINT (overflow is an error) and over DECIMAL(p, s) as DECIMAL(38, s).
void register_value_functions(duckdb::DatabaseInstance& database);
/// Registers now() and its kin as the time of the tick: set_tick_time says it for the calling thread.
void register_now_functions(duckdb::DatabaseInstance& database);
void set_tick_time(int64_t now_us);
int64_t tick_time();
/// Registers headrace_items: the elements of a list, or the entries of a map.
void register_item_functions(duckdb::DatabaseInstance& database);
/// Registers tumble, hop, cumulate, session, headrace_late, headrace_as_of, headrace_match and headrace_define: they
/// bind, and are never executed.
void register_streaming_functions(duckdb::DatabaseInstance& database, std::shared_ptr<const RelationColumns> relations);

/// Registers the table function that reads a WindowQuery's rows.
void register_window_rows(duckdb::DatabaseInstance& database);

/// What the planner reads off a bound call of a window function, headrace_late, headrace_match or a user's function in
/// FROM.
struct StreamingCall {
  enum class Kind : uint8_t { window, late, table, process } kind = Kind::window;
  std::string function;
  std::string relation;  ///< headrace_late
  WindowKind window = WindowKind::tumble;
  std::string time_column;
  std::vector<int64_t> window_ms;
  std::vector<std::string> session_keys;
  std::shared_ptr<const MatchSpec> match;  ///< headrace_match
  std::vector<AggregateCall> match_calls;  ///< As BoundRelation::aggregates.
};

}  // namespace headrace
