#include "duck/adhoc.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <duckdb.hpp>
#include <duckdb/main/client_context_state.hpp>
#include <duckdb/main/extension/extension_loader.hpp>
#include <duckdb/main/pending_query_result.hpp>
#include <duckdb/parser/expression/constant_expression.hpp>
#include <duckdb/parser/expression/function_expression.hpp>
#include <duckdb/parser/parser.hpp>
#include <duckdb/parser/tableref/table_function_ref.hpp>
#include <mutex>
#include <thread>

#include "base/text.h"
#include "duck/failure.h"
#include "duck/functions.h"
#include "duck/lake_files.h"

namespace headrace {
namespace {

constexpr const char* state_key = "headrace_tables";
constexpr const char* scan_name = "headrace_view";
constexpr const char* lake_schema = "lake";

/// What the query of one connection may see; found by the replacement scan through the connection.
struct QueryState final : duckdb::ClientContextState {
  const AdhocTables* tables = nullptr;
  std::string missing;  ///< The last name that was asked for in vain.
};

QueryState& state_of(duckdb::ClientContext& context) {
  auto state = context.registered_state->Get<QueryState>(state_key);
  if (!state) throw duckdb::InternalException("a query runs without its tables");
  return *state;
}

// ---- a view as a table function
// -----------------------------------------------------------------------------------------

struct ViewBind final : duckdb::TableFunctionData {
  std::shared_ptr<const AdhocTable> table;
};

struct ViewScan final : duckdb::GlobalTableFunctionState {
  std::vector<size_t> columns;  ///< Of the table, in the order of the output.
  std::vector<size_t> outputs;  ///< Where they go; a virtual column such as rowid has no source.
  size_t next_block = 0;
  DataChunk part;
  duckdb::idx_t MaxThreads() const override { return 1; }
};

duckdb::unique_ptr<duckdb::FunctionData> bind_view(duckdb::ClientContext& context,
                                                   duckdb::TableFunctionBindInput& input,
                                                   duckdb::vector<LogicalType>& types,
                                                   duckdb::vector<duckdb::string>& names) {
  auto out = duckdb::make_uniq<ViewBind>();
  std::string name = input.inputs[0].IsNull() ? "" : input.inputs[0].GetValue<std::string>();
  out->table = state_of(context).tables->table(name);
  if (!out->table) throw_error(user_error(Code::unknown_relation, "there is no view '" + name + "'"));
  types = out->table->types();
  for (const std::string& column : out->table->names()) names.push_back(column);
  return out;
}

duckdb::unique_ptr<duckdb::GlobalTableFunctionState> begin_view(duckdb::ClientContext&,
                                                                duckdb::TableFunctionInitInput& input) {
  auto out = duckdb::make_uniq<ViewScan>();
  const AdhocTable& table = *input.bind_data->Cast<ViewBind>().table;
  duckdb::vector<LogicalType> types;
  for (size_t i = 0; i < input.column_ids.size(); ++i) {
    if (input.column_ids[i] >= table.types().size()) continue;
    out->columns.push_back(input.column_ids[i]);
    out->outputs.push_back(i);
    types.push_back(table.types()[input.column_ids[i]]);
  }
  out->part.Initialize(duckdb::Allocator::DefaultAllocator(), types);
  return out;
}

void scan_view(duckdb::ClientContext&, duckdb::TableFunctionInput& input, DataChunk& output) {
  const AdhocTable& table = *input.bind_data->Cast<ViewBind>().table;
  ViewScan& scan = input.global_state->Cast<ViewScan>();
  while (scan.next_block < table.blocks()) {
    scan.part.Reset();
    table.scan(scan.next_block++, scan.columns, scan.part);
    if (scan.part.size() == 0) continue;
    for (size_t i = 0; i < scan.outputs.size(); ++i) output.data[scan.outputs[i]].Reference(scan.part.data[i]);
    output.SetCardinality(scan.part.size());
    return;
  }
  output.SetCardinality(0);
}

duckdb::unique_ptr<duckdb::NodeStatistics> count_view(duckdb::ClientContext&, const duckdb::FunctionData* bind) {
  auto rows = static_cast<duckdb::idx_t>(bind->Cast<ViewBind>().table->rows());
  return duckdb::make_uniq<duckdb::NodeStatistics>(rows, rows);  // Exact: what a query reads does not change under it.
}

duckdb::unique_ptr<duckdb::TableRef> call_of(const char* function, duckdb::Value argument, const std::string& alias) {
  duckdb::vector<duckdb::unique_ptr<duckdb::ParsedExpression>> arguments;
  arguments.push_back(duckdb::make_uniq<duckdb::ConstantExpression>(std::move(argument)));
  auto out = duckdb::make_uniq<duckdb::TableFunctionRef>();
  out->function = duckdb::make_uniq<duckdb::FunctionExpression>(function, std::move(arguments));
  out->alias = alias;
  return out;
}

/// lake.NAME as read_parquet over exactly its files, which the connection then may open.
duckdb::unique_ptr<duckdb::TableRef> lake_table(duckdb::ClientContext& context, const AdhocTables& tables,
                                                const std::string& name) {
  if (!tables.lake_files) return nullptr;
  Result<std::vector<std::string>> files = tables.lake_files(name);
  if (!files.ok()) throw_error(std::move(files).error());
  auto permitted = context.registered_state->Get<PermittedFiles>(permitted_files_key);
  duckdb::vector<duckdb::Value> paths;
  for (const std::string& file : *files) {
    permitted->paths.insert(file);
    paths.push_back(duckdb::Value(lake_prefix + file));
  }
  return call_of("read_parquet", duckdb::Value::LIST(LogicalType::VARCHAR, std::move(paths)), name);
}

duckdb::unique_ptr<duckdb::TableRef> replace(duckdb::ClientContext& context, duckdb::ReplacementScanInput& input,
                                             duckdb::optional_ptr<duckdb::ReplacementScanData>) {
  QueryState& state = state_of(context);
  if (duckdb::StringUtil::CIEquals(input.schema_name, lake_schema)) {
    if (auto table = lake_table(context, *state.tables, input.table_name)) return table;
  } else if (input.schema_name.empty() && state.tables->table(input.table_name)) {
    return call_of(scan_name, duckdb::Value(input.table_name), input.table_name);
  }
  state.missing = input.schema_name.empty() ? input.table_name : input.schema_name + "." + input.table_name;
  return nullptr;
}

// ---- running
// ----------------------------------------------------------------------------------------------------------------

/// Interrupts a connection unless it is done in time.
class Watchdog {
 public:
  Watchdog(duckdb::Connection& connection, int64_t timeout_ms)
      : thread_([this, &connection, timeout_ms] {
          std::unique_lock lock(mutex_);
          if (!done_changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return done_; })) {
            expired_ = true;
            connection.Interrupt();
          }
        }) {}
  ~Watchdog() {
    {
      std::lock_guard lock(mutex_);
      done_ = true;
      done_changed_.notify_one();
    }
    thread_.join();
  }
  bool expired() {
    std::lock_guard lock(mutex_);
    return expired_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable done_changed_;
  bool done_ = false, expired_ = false;
  std::thread thread_;
};

duckdb::Value value_of(const AdhocValue& value) {
  if (auto* flag = std::get_if<bool>(&value)) return duckdb::Value::BOOLEAN(*flag);
  if (auto* integer = std::get_if<int64_t>(&value)) return duckdb::Value::BIGINT(*integer);
  if (auto* real = std::get_if<double>(&value)) return duckdb::Value::DOUBLE(*real);
  if (auto* text = std::get_if<std::string>(&value)) return duckdb::Value(*text);
  return duckdb::Value();
}

/// The place that DuckDB draws under its message ("\n\nLINE 2: FROM risk\n             ^"), or none. A long line is
/// drawn in part, between dots.
Location place_in(const std::string& message, const std::string& sql) {
  Location out;
  size_t start = message.rfind("\nLINE ");
  if (start == std::string::npos) return out;
  size_t colon = message.find(": ", start), line_end = message.find('\n', start + 1);
  size_t caret = line_end == std::string::npos ? line_end : message.find('^', line_end);
  if (colon == std::string::npos || caret == std::string::npos || colon > line_end) return out;
  int32_t line = std::atoi(message.c_str() + start + 6);
  size_t column = caret - line_end - 1 - (colon + 2 - start - 1);
  std::string drawn = message.substr(colon + 2, line_end - colon - 2);
  if (drawn.starts_with("...")) {
    size_t line_start = 0;
    for (int32_t i = 1; i < line && line_start != std::string::npos; ++i) line_start = sql.find('\n', line_start) + 1;
    if (drawn.ends_with("...")) drawn.resize(drawn.size() - 3);
    size_t at = sql.find(drawn.substr(3), line_start);
    if (at == std::string::npos || column < 3) return out;
    column = at - line_start + column - 3;
  }
  out.file = "query";
  out.line = line;
  out.column = static_cast<int32_t>(column) + 1;
  return out;
}

/// About what a flat chunk takes. Texts lie beside their vectors, which do not count them.
int64_t bytes_of(const DataChunk& chunk) {
  auto out = static_cast<int64_t>(chunk.GetAllocationSize());
  for (const Vector& column : chunk.data) {
    if (column.GetType().InternalType() != duckdb::PhysicalType::VARCHAR) continue;
    const auto* texts = duckdb::FlatVector::GetData<duckdb::string_t>(column);
    const duckdb::ValidityMask& mask = duckdb::FlatVector::Validity(column);
    for (duckdb::idx_t row = 0; row < chunk.size(); ++row)
      if (mask.RowIsValid(row)) out += texts[row].GetSize();
  }
  return out;
}

class Database final : public AdhocDatabase {
 public:
  Result<> start(const AdhocOptions& options) {
    return guarded(Code::internal, [&]() -> Result<> {
      duckdb::DBConfig config;
      config.SetOptionByName("threads", duckdb::Value::BIGINT(1));
      config.SetOptionByName("memory_limit", duckdb::Value(std::to_string(options.memory_bytes) + "B"));
      config.SetOptionByName("temp_directory", duckdb::Value(options.temporary_directory));
      config.SetOptionByName("autoinstall_known_extensions", duckdb::Value::BOOLEAN(false));
      config.SetOptionByName("autoload_known_extensions", duckdb::Value::BOOLEAN(false));
      config.options.allowed_directories.insert(std::string(lake_prefix) + "/");
      config.replacement_scans.emplace_back(replace);
      database_ = std::make_unique<duckdb::DuckDB>(nullptr, &config);
      database_->GetFileSystem().RegisterSubSystem(duckdb::make_uniq<LakeFileSystem>());

      duckdb::TableFunction view(scan_name, {LogicalType::VARCHAR}, scan_view, bind_view, begin_view);
      view.projection_pushdown = true;
      view.cardinality = count_view;
      duckdb::ExtensionLoader loader(*database_->instance, "headrace");
      loader.RegisterFunction(view);

      register_value_functions(*database_->instance);
      duckdb::Connection connection(*database_);
      for (const ScalarFunctionSpec& spec : options.functions.scalars)
        HEADRACE_TRY(register_function(*connection.context, spec));
      for (const AggregateFunctionSpec& spec : options.functions.aggregates)
        HEADRACE_TRY(register_function(*connection.context, spec));
      for (const TableFunctionSpec& spec : options.functions.tables)
        HEADRACE_TRY(register_function(*connection.context, spec));
      // DuckDB 1.5.5 makes ROW_NUMBER() OVER (ORDER BY x) <= 1 an aggregate, which has a row of NULLs where there are
      // none; and takes two readings of one join for one that lacks columns of the other (common_subplan).
      for (const char* setting : {"SET GLOBAL disabled_optimizers='top_n_window_elimination,common_subplan'",
                                  "SET GLOBAL TimeZone='UTC'", "SET GLOBAL ieee_floating_point_ops=false",
                                  "SET GLOBAL integer_division=false", "SET GLOBAL default_null_order='nulls_last'",
                                  "SET GLOBAL enable_external_access=false", "SET GLOBAL lock_configuration=true"})
        if (auto done = connection.Query(setting); done->HasError()) done->ThrowError();
      return {};
    });
  }

  Result<AdhocResult> run(const AdhocQuery& query, const AdhocTables& tables) override {
    auto state = duckdb::make_shared_ptr<QueryState>();
    state->tables = &tables;
    bool expired = false;
    Location place;
    Result<AdhocResult> result = guarded(Code::query_failed, [&]() -> Result<AdhocResult> {
      duckdb::Connection connection(*database_);
      connection.context->registered_state->Insert(state_key, state);
      connection.context->registered_state->Insert(permitted_files_key, duckdb::make_shared_ptr<PermittedFiles>());
      Watchdog watchdog(connection, query.timeout_ms);
      try {
        return execute(connection, query);
      } catch (const std::exception& exception) {
        expired = watchdog.expired();
        place = place_in(duckdb::ErrorData(exception).RawMessage(), query.sql);
        throw;
      }
    });
    if (result.ok()) return result;
    Error error = std::move(result).error();
    error.at = place;
    if (expired) {
      error = user_error(Code::query_failed, "the query took longer than " + std::to_string(query.timeout_ms) + " ms")
                  .with_remedy("ask for less, or set server.query_timeout_ms");
      error.retry = Retry::later;
    } else if (error.code == Code::unknown_relation && !state->missing.empty()) {
      name_the_missing(state->missing, tables.names, error);
    }
    return error;
  }

 private:
  static Result<AdhocResult> execute(duckdb::Connection& connection, const AdhocQuery& query) {
    duckdb::Parser parser(connection.context->GetParserOptions());
    parser.ParseQuery(query.sql);
    auto& statements = parser.statements;
    if (statements.size() != 1 || statements[0]->type != duckdb::StatementType::SELECT_STATEMENT)
      return user_error(Code::query_failed, "one SELECT can be asked at a time, and nothing else");
    duckdb::vector<duckdb::Value> parameters;
    for (const AdhocValue& value : query.parameters) parameters.push_back(value_of(value));
    auto pending = connection.PendingQuery(std::move(statements[0]), parameters,
                                           duckdb::QueryParameters(duckdb::QueryResultOutputType::ALLOW_STREAMING));
    if (pending->HasError()) pending->ThrowError();
    auto answer = pending->Execute();
    if (answer->HasError()) answer->ThrowError();

    AdhocResult out;
    int64_t bytes = 0;
    out.types = answer->types;
    for (const auto& name : answer->names) out.names.push_back(name);
    for (;;) {
      auto chunk = answer->Fetch();
      if (answer->HasError()) answer->ThrowError();
      if (!chunk || chunk->size() == 0) break;
      out.rows += static_cast<int64_t>(chunk->size());
      if (out.rows > query.rows_max)
        return user_error(Code::query_failed, "the answer has more than " + std::to_string(query.rows_max) + " rows")
            .with_remedy("add a LIMIT, aggregate, or set server.query_rows_max");
      chunk->Flatten();
      bytes += bytes_of(*chunk);
      if (bytes > query.bytes_max)
        return user_error(Code::query_failed,
                          "the answer takes more than " + std::to_string(query.bytes_max) + " bytes of memory")
            .with_remedy("add a LIMIT, ask for fewer columns, or set server.query_memory_bytes");
      out.chunks.push_back(std::move(chunk));
    }
    return out;
  }

  static void name_the_missing(const std::string& missing, const std::vector<std::string>& known, Error& error) {
    error.message = "there is no view '" + missing + "'";
    const std::string nearest = nearest_name(missing, known);
    error.remedy = nearest.empty() ? "GET /v1/views lists what there is" : "did you mean '" + nearest + "'?";
  }

  std::unique_ptr<duckdb::DuckDB> database_;
};

}  // namespace

Result<std::unique_ptr<AdhocDatabase>> AdhocDatabase::open(const AdhocOptions& options) {
  auto out = std::make_unique<Database>();
  HEADRACE_TRY(out->start(options));
  return std::unique_ptr<AdhocDatabase>(std::move(out));
}

}  // namespace headrace
