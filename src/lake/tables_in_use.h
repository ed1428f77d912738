// Names and places of tables, and which warehouse a table of this process's sinks lies in, so that ad-hoc queries find
// it there.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"

namespace headrace {

/// Called by a sink that has opened `table`. Safe from any thread.
void note_table_in_use(const std::string& table, const std::string& warehouse);
std::optional<std::string> warehouse_of(const std::string& table);

/// Where the embedded lake of a state directory lies.
std::string default_warehouse(const std::string& state_directory);
/// "departures" and "Lake.Departures" as the catalog has them: "lake.departures".
std::string qualified_lake_table(const std::string& table);

/// What an Iceberg sink says to a result that changes.
Error append_only_error(const std::string& sink);

}  // namespace headrace
