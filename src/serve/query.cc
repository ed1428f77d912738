#include "serve/query.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "plan/user_functions.h"

namespace headrace {
namespace {

constexpr std::string_view quarantine_name = "quarantine";  ///< A view of this name stands before it.

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

/// The quarantine as a table. Its rows are copied when the query names it.
class QuarantineTable final : public AdhocTable {
 public:
  explicit QuarantineTable(std::vector<QuarantineRow> records) : records_(std::move(records)) {}

  const std::vector<std::string>& names() const override {
    static const std::vector<std::string> out = {"id",   "source", "origin", "bytes", "code",
                                                 "name", "reason", "time",   "late"};
    return out;
  }
  const duckdb::vector<LogicalType>& types() const override {
    static const duckdb::vector<LogicalType> out = {LogicalType::BIGINT,  LogicalType::VARCHAR,   LogicalType::VARCHAR,
                                                    LogicalType::BLOB,    LogicalType::INTEGER,   LogicalType::VARCHAR,
                                                    LogicalType::VARCHAR, LogicalType::TIMESTAMP, LogicalType::BOOLEAN};
    return out;
  }
  int64_t rows() const override { return static_cast<int64_t>(records_.size()); }
  size_t blocks() const override { return (records_.size() + STANDARD_VECTOR_SIZE - 1) / STANDARD_VECTOR_SIZE; }
  void scan(size_t block, const std::vector<size_t>& columns, DataChunk& out) const override {
    const size_t begin = block * STANDARD_VECTOR_SIZE;
    const size_t count = std::min<size_t>(records_.size() - begin, STANDARD_VECTOR_SIZE);
    for (size_t i = 0; i < columns.size(); ++i)
      for (size_t row = 0; row < count; ++row) set(columns[i], records_[begin + row], out.data[i], row);
    out.SetCardinality(count);
  }

 private:
  static void set(size_t column, const QuarantineRow& record, Vector& out, size_t row) {
    const auto text = [&](std::string_view value) {
      duckdb::FlatVector::GetData<duckdb::string_t>(out)[row] =
          duckdb::StringVector::AddStringOrBlob(out, value.data(), value.size());
    };
    switch (column) {
      case 0:
        duckdb::FlatVector::GetData<int64_t>(out)[row] = record.id;
        break;
      case 1:
        text(record.source);
        break;
      case 2:
        text(record.origin);
        break;
      case 3:
        text(record.bytes);
        break;
      case 4:
        duckdb::FlatVector::GetData<int32_t>(out)[row] = static_cast<int32_t>(record.code);
        break;
      case 5:
        text(name_of(record.code));
        break;
      case 6:
        text(record.reason);
        break;
      case 7:
        duckdb::FlatVector::GetData<int64_t>(out)[row] = record.time_us;
        break;
      default:
        duckdb::FlatVector::GetData<bool>(out)[row] = record.late;
        break;
    }
  }

  std::vector<QuarantineRow> records_;
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
  AdhocOptions adhoc{.memory_bytes = options.query_memory_bytes, .temporary_directory = {}, .functions = {}};
  if (pipeline.functions() != nullptr) adhoc.functions = sql_functions(*pipeline.functions());
  HEADRACE_ASSIGN(std::unique_ptr<AdhocDatabase> database, AdhocDatabase::open(adhoc));
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
    if (found != published->views.end()) return std::make_shared<SnapshotTable>(found->second);
    if (lower(name) != quarantine_name) return nullptr;
    return std::make_shared<QuarantineTable>(pipeline_.quarantine(0, std::numeric_limits<int64_t>::max()));
  };
  tables.lake_files = options_.lake_files;
  for (const ViewInfo& view : pipeline_.views()) tables.names.push_back(view.name);
  tables.names.emplace_back(quarantine_name);

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
