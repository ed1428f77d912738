// Queries over the views: every query reads all its views at one tick. `quarantine` is there as a table too, as it is
// now.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "duck/adhoc.h"
#include "run/pipeline.h"
#include "serve/server.h"

namespace headrace {

/// Rows for an answer, with the instant they are of.
struct RowTable {
  Schema schema;
  std::vector<std::unique_ptr<DataChunk>> chunks;
  Tick tick, durable_tick;
};

/// Safe from any thread.
class QueryEngine {
 public:
  static Result<std::unique_ptr<QueryEngine>> open(Pipeline& pipeline, const ServerOptions& options);

  /// Runs one SELECT. Errors: overloaded, and those of AdhocDatabase::run.
  Result<RowTable> run(const std::string& sql, std::vector<AdhocValue> parameters);

 private:
  QueryEngine(Pipeline& pipeline, const ServerOptions& options, std::unique_ptr<AdhocDatabase> database)
      : pipeline_(pipeline), options_(options), database_(std::move(database)) {}

  Pipeline& pipeline_;
  const ServerOptions& options_;
  std::unique_ptr<AdhocDatabase> database_;
  std::atomic<int64_t> running_{0};
};

/// Every view as of one tick. Errors: overloaded, as long as an engine that has just started does not show all of them
/// yet: a view that is not there would read like one without rows.
Result<std::shared_ptr<const Published>> all_views(const Pipeline& pipeline);

/// Rows [offset, offset + limit) of a view, in its own order.
RowTable rows_of(const ViewSnapshot& view, int64_t offset, int64_t limit);

}  // namespace headrace
