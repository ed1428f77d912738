#include "serve/query.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace headrace {
namespace {

std::string lower(std::string name) {
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

/// A view's snapshot as the ad-hoc database reads it.
class SnapshotTable final : public AdhocTable {
 public:
  explicit SnapshotTable(std::shared_ptr<const ViewSnapshot> snapshot)
      : snapshot_(std::move(snapshot)), types_(snapshot_->schema()->types()) {
    for (const Field& field : snapshot_->schema()->fields()) names_.push_back(field.name);
  }
  const std::vector<std::string>& names() const override { return names_; }
  const duckdb::vector<LogicalType>& types() const override { return types_; }
  int64_t rows() const override { return snapshot_->rows(); }
  size_t blocks() const override { return snapshot_->blocks(); }
  void scan(size_t block, const std::vector<size_t>& columns, DataChunk& out) const override {
    snapshot_->scan(block, columns, out);
  }

 private:
  std::shared_ptr<const ViewSnapshot> snapshot_;
  std::vector<std::string> names_;
  duckdb::vector<LogicalType> types_;
};

/// Counts a query while it runs.
class Turn {
 public:
  explicit Turn(std::atomic<int64_t>& running) : running_(running), before_(running_.fetch_add(1)) {}
  ~Turn() { running_.fetch_sub(1); }
  int64_t before() const { return before_; }

 private:
  std::atomic<int64_t>& running_;
  int64_t before_;
};

}  // namespace

Result<std::unique_ptr<QueryEngine>> QueryEngine::open(Pipeline& pipeline, const ServerOptions& options) {
  HEADRACE_ASSIGN(std::unique_ptr<AdhocDatabase> database,
                  AdhocDatabase::open({.memory_bytes = options.query_memory_bytes, .temporary_directory = {}}));
  return std::unique_ptr<QueryEngine>(new QueryEngine(pipeline, options, std::move(database)));
}

Result<RowTable> QueryEngine::run(const std::string& sql, std::vector<AdhocValue> parameters) {
  Turn turn(running_);
  if (turn.before() >= options_.queries_max)
    return environment_error(Code::overloaded, fmt::format("{} queries run already", turn.before()));

  HEADRACE_ASSIGN(std::shared_ptr<const Published> published, all_views(pipeline_));
  AdhocTables tables;
  tables.table = [&](const std::string& name) -> std::shared_ptr<const AdhocTable> {
    auto found = published->views.find(lower(name));
    if (found == published->views.end()) return nullptr;
    return std::make_shared<SnapshotTable>(found->second);
  };
  tables.lake_files = options_.lake_files;
  for (const ViewInfo& view : pipeline_.views()) tables.names.push_back(view.name);

  HEADRACE_ASSIGN(AdhocResult result, database_->run({.sql = sql,
                                                      .parameters = std::move(parameters),
                                                      .timeout_ms = options_.query_timeout_ms,
                                                      .rows_max = options_.query_rows_max,
                                                      .bytes_max = options_.query_memory_bytes},
                                                     tables));
  std::vector<Field> fields;
  for (size_t i = 0; i < result.names.size(); ++i) fields.push_back({result.names[i], result.types[i]});
  return RowTable{Schema(std::move(fields)), std::move(result.chunks), published->tick, published->durable_tick};
}

Result<std::shared_ptr<const Published>> all_views(const Pipeline& pipeline) {
  std::shared_ptr<const Published> published = pipeline.published();
  for (const ViewInfo& view : pipeline.views())
    if (!published->views.contains(lower(view.name)))
      return environment_error(Code::overloaded,
                               fmt::format("the engine has just started, and does not show view '{}' yet", view.name))
          .with_remedy("ask again in a moment");
  return published;
}

RowTable rows_of(const ViewSnapshot& view, int64_t offset, int64_t limit) {
  RowTable out{*view.schema(), {}, {}, {}};
  std::vector<size_t> columns(out.schema.size());
  std::iota(columns.begin(), columns.end(), 0);
  for (size_t block = 0; block < view.blocks() && limit > 0; ++block) {
    auto chunk = std::make_unique<DataChunk>();
    chunk->Initialize(duckdb::Allocator::DefaultAllocator(), out.schema.types());
    view.scan(block, columns, *chunk);
    int64_t rows = static_cast<int64_t>(chunk->size());
    int64_t skipped = std::min(offset, rows), taken = std::min(rows - skipped, limit);
    offset -= skipped;
    limit -= taken;
    if (taken == 0) continue;
    if (taken < rows) chunk->Slice(duckdb::SelectionVector(skipped, taken), taken);
    chunk->Flatten();
    out.chunks.push_back(std::move(chunk));
  }
  return out;
}

}  // namespace headrace
