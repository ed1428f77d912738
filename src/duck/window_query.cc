#include "duck/window_query.h"

#include <duckdb/common/types/column/column_data_collection.hpp>
#include <duckdb/function/table_function.hpp>
#include <duckdb/main/extension/extension_loader.hpp>
#include <duckdb/main/prepared_statement.hpp>
#include <map>
#include <mutex>

#include "duck/connection.h"
#include "duck/failure.h"
#include "duck/functions.h"

namespace headrace {

namespace {

/// The rows that a query reads, named by a number in its text.
struct Rows {
  duckdb::vector<LogicalType> types;
  std::unique_ptr<duckdb::ColumnDataCollection> held;

  Rows() {
    std::lock_guard lock(mutex);
    number = next_number++;
    all[number] = this;
  }
  ~Rows() {
    std::lock_guard lock(mutex);
    all.erase(number);
  }
  Rows(const Rows&) = delete;
  static const Rows& find(uint64_t number) {
    std::lock_guard lock(mutex);
    auto found = all.find(number);
    if (found == all.end()) throw_error(user_error(Code::unknown_function, "headrace_rows is no function for queries"));
    return *found->second;
  }
  uint64_t number = 0;

  void clear() { held = std::make_unique<duckdb::ColumnDataCollection>(duckdb::Allocator::DefaultAllocator(), types); }

 private:
  inline static std::mutex mutex;
  inline static uint64_t next_number = 0;
  inline static std::map<uint64_t, const Rows*> all;
};

struct RowsData final : duckdb::TableFunctionData {
  explicit RowsData(const Rows& rows_) : rows(rows_) {}
  const Rows& rows;
};

struct RowsScan final : duckdb::GlobalTableFunctionState {
  duckdb::ColumnDataScanState scan;
  DataChunk chunk;
  int64_t next = 0;
};

duckdb::unique_ptr<duckdb::FunctionData> bind_rows(duckdb::ClientContext&, duckdb::TableFunctionBindInput& input,
                                                   duckdb::vector<LogicalType>& types,
                                                   duckdb::vector<std::string>& names) {
  const Rows& rows = Rows::find(input.inputs[0].GetValue<uint64_t>());
  types = rows.types;
  for (size_t i = 0; i < types.size(); ++i) names.push_back("c" + std::to_string(i));
  types.push_back(LogicalType::BIGINT);
  names.push_back("n");
  return duckdb::make_uniq<RowsData>(rows);
}

duckdb::unique_ptr<duckdb::GlobalTableFunctionState> start_scan(duckdb::ClientContext&,
                                                                duckdb::TableFunctionInitInput& input) {
  auto out = duckdb::make_uniq<RowsScan>();
  const duckdb::ColumnDataCollection& rows = *input.bind_data->Cast<RowsData>().rows.held;
  rows.InitializeScan(out->scan);
  rows.InitializeScanChunk(out->chunk);
  return out;
}

/// Gives the columns, then the row's number.
void scan_rows(duckdb::ClientContext&, duckdb::TableFunctionInput& input, DataChunk& out) {
  auto& scan = input.global_state->Cast<RowsScan>();
  if (!input.bind_data->Cast<RowsData>().rows.held->Scan(scan.scan, scan.chunk)) return;
  const duckdb::idx_t count = scan.chunk.size();
  for (size_t i = 0; i < scan.chunk.ColumnCount(); ++i) out.data[i].Reference(scan.chunk.data[i]);
  auto* numbers = duckdb::FlatVector::GetData<int64_t>(out.data[scan.chunk.ColumnCount()]);
  for (duckdb::idx_t i = 0; i < count; ++i) numbers[i] = scan.next++;
  out.SetCardinality(count);
}

}  // namespace

void register_window_rows(duckdb::DatabaseInstance& database) {
  duckdb::TableFunction function("headrace_rows", {LogicalType::UBIGINT}, scan_rows, bind_rows, start_scan);
  duckdb::ExtensionLoader(database, "headrace").RegisterFunction(function);
}

struct WindowQuery::State {
  std::vector<std::string> functions;
  duckdb::Connection connection;
  Rows rows;
  duckdb::unique_ptr<duckdb::PreparedStatement> prepared;

  State(duckdb::DatabaseInstance& database, std::vector<LogicalType> types, std::vector<std::string> functions_)
      : functions(std::move(functions_)), connection(database) {
    rows.types = {types.begin(), types.end()};
    rows.clear();
  }

  void prepare() {
    set_values(connection);
    std::string sql = "SELECT ";
    for (size_t i = 0; i < functions.size(); ++i) sql += (i ? ", " : "") + functions[i];
    sql += " FROM headrace_rows(" + std::to_string(rows.number) + "::UBIGINT) ORDER BY n";
    prepared = connection.Prepare(sql);
    if (prepared->HasError()) throw_error(user_error(Code::unsupported_sql, prepared->GetError()));
  }
};

WindowQuery::WindowQuery(EvaluationContext& context, std::vector<LogicalType> types, std::vector<std::string> functions)
    : state_(std::make_unique<State>(*static_cast<ConnectionContext&>(context).connection.context->db, std::move(types),
                                     std::move(functions))) {}
WindowQuery::~WindowQuery() = default;
WindowQuery::WindowQuery(WindowQuery&&) noexcept = default;

Result<> WindowQuery::add(DataChunk& rows) {
  return guarded(Code::internal, [&]() -> Result<> {
    state_->rows.held->Append(rows);
    return {};
  });
}

Result<> WindowQuery::run(const std::function<Result<>(DataChunk& results)>& take) {
  return guarded(Code::expression_failed, [&]() -> Result<> {
    if (!state_->prepared) state_->prepare();
    duckdb::vector<duckdb::Value> nothing;
    duckdb::unique_ptr<duckdb::QueryResult> result = state_->prepared->Execute(nothing, false);
    if (result->HasError()) result->ThrowError();
    while (auto chunk = result->Fetch()) {
      if (chunk->size() == 0) break;
      HEADRACE_TRY(take(*chunk));
    }
    state_->rows.clear();
    return {};
  });
}

}  // namespace headrace
