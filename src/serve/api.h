// What the endpoints work with: the running pipeline, ad-hoc queries, access, and the project's dashboards.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "run/pipeline.h"
#include "serve/access.h"
#include "serve/message.h"
#include "serve/metrics.h"
#include "serve/query.h"
#include "serve/server.h"
#include "serve/status.h"

namespace headrace {

class Api {
 public:
  Api(Pipeline& pipeline_, const ServerOptions& options_, std::unique_ptr<Access> access_,
      std::unique_ptr<QueryEngine> queries_)
      : pipeline(pipeline_),
        options(options_),
        access(std::move(access_)),
        queries(std::move(queries_)),
        board(pipeline_, *options_.clock) {}

  /// The view of that name, matched without regard to case. Errors: not_found with the nearest name.
  Result<const ViewInfo*> view_named(const std::string& name) const;

  Pipeline& pipeline;
  const ServerOptions& options;
  std::unique_ptr<Access> access;
  std::unique_ptr<QueryEngine> queries;
  StatusBoard board;
  RequestMetrics metrics;
  std::atomic<bool> stopping{false};  ///< Set: no rows are taken any more.
};

}  // namespace headrace
