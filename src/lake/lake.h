// The embedded lake as app and serve see it: the `iceberg` connector, and the files of a table for ad-hoc queries.
//
// The sink (iceberg_sink.h) writes Parquet files; the steward (steward.h), a Python child, commits them through
// PyIceberg. What a commit's identity is and how an unknown outcome is decided stands in
// python/headrace/lake/commits.py.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace headrace {

/// Adds the connector `iceberg`. Called by app before anything else.
void register_lake_connectors();

/// The interpreter that has the headrace package, and folders to look for it in. Called by app, before the pipeline is
/// made; without it "python3" and the environment's PYTHONPATH.
void use_lake_python(std::string python, std::vector<std::string> python_path);

/// Gives the data files (paths) of the newest snapshot of `table`: "departures" or "lake.departures", of a sink of this
/// process or of the embedded lake of `state_directory`. Safe from any thread. Files of a table whose columns were
/// added to differ in them: read with union_by_name. Errors: unknown_relation, unsupported_sql (another program deleted
/// rows), sink_unavailable (later).
Result<std::vector<std::string>> lake_data_files(const std::string& state_directory, const std::string& table);

}  // namespace headrace
