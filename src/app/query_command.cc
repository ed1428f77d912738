// `headrace query`: asks the last durable state of a pipeline that is not running.
#include <cstdio>

#include "app/command.h"
#include "lake/lake.h"
#include "serve/query.h"
#include "serve/render.h"

namespace headrace {

int query_command(ProjectOptions options, const std::string& sql, const std::string& format) {
  CheckedProject project = check_project(options.pipeline());
  if (!project.errors.empty()) return report(project.errors);
  options.take_state(project.project);
  PipelineOptions pipeline = options.pipeline();
  pipeline.shards = 1;
  Engine engine(pipeline, std::move(project));
  if (Result<> opened = engine.open_for_reading(); !opened) return report_failure(opened.error());
  ServerOptions limits;
  limits.state_directory = options.state_directory();
  limits.lake_files = [state = limits.state_directory](const std::string& table) {
    return lake_data_files(state, table);
  };
  Result<std::unique_ptr<QueryEngine>> queries = QueryEngine::open(engine, limits);
  if (!queries) return report_failure(queries.error());
  Result<RowTable> rows = (*queries)->run(sql, {});
  if (!rows) return report_failure(rows.error());
  Result<Response> answer =
      table_response(*rows, format == "csv" ? "text/csv" : "application/json", limits.query_bytes_max);
  if (!answer) return report_failure(answer.error());
  std::printf("%s\n", answer->body.c_str());
  return exit_ok;
}

}  // namespace headrace
