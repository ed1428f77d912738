// `headrace state ls | show | sql`: what a pipeline keeps, as it lies on the disk. Neither the project nor an engine is
// needed; a pipeline that runs is not disturbed.
#include <fmt/format.h>

#include <cstdio>
#include <numeric>

#include "app/command.h"
#include "base/text.h"
#include "run/state_files.h"
#include "serve/query.h"
#include "serve/render.h"

namespace headrace {
namespace {

constexpr int64_t answer_bytes_max = 1LL << 30;
constexpr int64_t answer_rows_max = 1LL << 40;
constexpr int64_t time_max_ms = 600'000;

int print(RowTable rows, const std::string& format) {
  Result<Response> answer = table_response(rows, format == "csv" ? "text/csv" : "application/json", answer_bytes_max);
  if (!answer) return report_failure(answer.error());
  std::printf("%s\n", answer->body.c_str());
  return exit_ok;
}

int list(const StateFiles& files, bool json) {
  int64_t disk = 0;
  for (const SegmentName& segment : files.segments) disk += segment.bytes;
  const Manifest& manifest = files.manifest;
  if (json) {
    std::string tables;
    for (const auto& table : files.tables)
      tables += fmt::format("{}{{\"name\":\"{}\",\"rows\":{},\"blocks\":{},\"bytes\":{}}}", tables.empty() ? "" : ",",
                            table->name(), table->rows(), table->saved_blocks(), table->bytes());
    fmt::print(
        "{{\"lineage\":\"{}\",\"epoch\":{},\"tick\":{},\"shards\":{},\"segments\":{},\"bytes\":{},\"tables\":[{}]}}\n",
        manifest.lineage, manifest.epoch.value, manifest.tick.value, manifest.shards, files.segments.size(), disk,
        tables);
    return exit_ok;
  }
  fmt::print("epoch {}, tick {}, {} shard{}, {} segment{} of {} bytes\n", manifest.epoch.value, manifest.tick.value,
             manifest.shards, manifest.shards == 1 ? "" : "s", files.segments.size(),
             files.segments.size() == 1 ? "" : "s", disk);
  for (const auto& [name, source] : manifest.sources)
    fmt::print("source {}: {} records read, position {}\n", name, source.records_read, source.position);
  fmt::print("\n{:40} {:>12} {:>10} {:>14}  {}\n", "table", "rows", "blocks", "bytes saved", "of");
  for (size_t i = 0; i < files.tables.size(); ++i) {
    const StateTable& table = *files.tables[i];
    const uint32_t node = manifest.tables[i].node;
    fmt::print("{:40} {:>12} {:>10} {:>14}  {}\n", table.name(), table.rows(), table.saved_blocks(), table.bytes(),
               node < manifest.nodes.size() ? manifest.nodes[node].title() : "");
  }
  return exit_ok;
}

AdhocTables readable(const StateFiles& files) {
  AdhocTables out;
  out.table = [&files](const std::string& name) -> std::shared_ptr<const AdhocTable> { return files.find(name); };
  for (const auto& table : files.tables) out.names.push_back(table->name());
  return out;
}

int query(const StateFiles& files, const std::string& sql, const std::string& format) {
  Result<std::unique_ptr<AdhocDatabase>> database = AdhocDatabase::open({});
  if (!database) return report_failure(database.error());
  Result<AdhocResult> result =
      (*database)->run({sql, {}, time_max_ms, answer_rows_max, answer_bytes_max}, readable(files));
  if (!result) return report_failure(result.error());
  RowTable rows;
  std::vector<Field> fields;
  for (size_t i = 0; i < result->names.size(); ++i) fields.push_back({result->names[i], result->types[i]});
  rows.schema = Schema(std::move(fields));
  rows.chunks = std::move(result->chunks);
  rows.tick = rows.durable_tick = files.manifest.tick;
  return print(std::move(rows), format);
}

}  // namespace

int state_list_command(const ProjectOptions& options, bool json) {
  Result<StateFiles> files = StateFiles::read(options.state_directory());
  return files ? list(*files, json) : report_failure(files.error());
}

int state_show_command(const ProjectOptions& options, const std::string& table, const std::string& format) {
  Result<StateFiles> files = StateFiles::read(options.state_directory());
  if (!files) return report_failure(files.error());
  if (files->find(table)) return query(*files, "SELECT * FROM \"" + table + "\"", format);
  std::vector<std::string> names;
  for (const auto& known : files->tables) names.push_back(known->name());
  const std::string nearest = nearest_name(table, names);
  return report_failure(
      user_error(Code::not_found, "the state has no table '" + table + "'")
          .with_remedy(nearest.empty() ? "headrace state ls shows them" : "did you mean '" + nearest + "'?"));
}

int state_sql_command(const ProjectOptions& options, const std::string& sql, const std::string& format) {
  Result<StateFiles> files = StateFiles::read(options.state_directory());
  return files ? query(*files, sql, format) : report_failure(files.error());
}

}  // namespace headrace
