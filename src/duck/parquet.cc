#include "duck/parquet.h"

#include <fmt/format.h>

#include <duckdb/common/type_visitor.hpp>
#include <duckdb/main/appender.hpp>
#include <duckdb/main/connection.hpp>
#include <duckdb/main/database.hpp>
#include <duckdb/main/materialized_query_result.hpp>
#include <duckdb/main/stream_query_result.hpp>

namespace headrace {
namespace {

/// One database without a file for all Parquet work of the process. One thread: rows keep the order of the file.
duckdb::DuckDB& database() {
  static duckdb::DuckDB instance = [] {
    duckdb::DBConfig config;
    config.options.maximum_threads = 1;
    return duckdb::DuckDB(nullptr, &config);
  }();
  return instance;
}

std::string quoted_text(const std::string& text) {
  return duckdb::KeywordHelper::WriteQuoted(text, '\'');
}
std::string quoted_name(const std::string& name) {
  return duckdb::KeywordHelper::WriteQuoted(name, '"');
}

std::string lower(std::string text) {
  return duckdb::StringUtil::Lower(text);
}

/// `reason` is DuckDB's; the query that it quotes is not the user's, and is left out.
Error damaged(const std::string& path, const std::string& reason) {
  return Error{Code::truncated_input,
               Blame::environment,
               Retry::never,
               fmt::format("{} cannot be read as Parquet: {}", path, reason.substr(0, reason.find("\n\nLINE "))),
               "write the file again, or take it out of the source's path",
               {}};
}

Error not_written(const std::string& path, const std::string& reason) {
  const bool full = lower(reason).find("no space left") != std::string::npos;
  return environment_error(full ? Code::disk_full : Code::io_error, fmt::format("cannot write {}: {}", path, reason));
}

/// What DuckDB says, without the JSON around it.
std::string reason_of(const std::exception& failure) {
  return duckdb::ErrorData(failure).RawMessage();
}

bool is_integer(const LogicalType& type) {
  return type.IsIntegral();
}

/// Decimal digits before the point that every value of an integer type has room in.
int digits_of(const LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::TINYINT:
    case LogicalTypeId::UTINYINT:
      return 3;
    case LogicalTypeId::SMALLINT:
    case LogicalTypeId::USMALLINT:
      return 5;
    case LogicalTypeId::INTEGER:
    case LogicalTypeId::UINTEGER:
      return 10;
    case LogicalTypeId::BIGINT:
      return 19;
    case LogicalTypeId::UBIGINT:
      return 20;
    default:
      return 39;
  }
}

bool is_timestamp(LogicalTypeId id) {
  return id == LogicalTypeId::TIMESTAMP || id == LogicalTypeId::TIMESTAMP_MS || id == LogicalTypeId::TIMESTAMP_NS ||
         id == LogicalTypeId::TIMESTAMP_SEC || id == LogicalTypeId::TIMESTAMP_TZ;
}

/// True when every value of `from` is a value of `to` (a time's nanoseconds are cut to microseconds).
bool nothing_is_lost(const LogicalType& from, const LogicalType& to) {
  if (from == to) return true;
  if (is_integer(from) && is_integer(to)) {
    const bool from_unsigned = from.IsUnsigned(), to_unsigned = to.IsUnsigned();
    const auto width = [](const LogicalType& type) { return duckdb::GetTypeIdSize(type.InternalType()); };
    if (from_unsigned == to_unsigned) return width(from) <= width(to);
    return from_unsigned && width(from) < width(to);
  }
  if (to.id() == LogicalTypeId::DECIMAL) {
    const int whole = duckdb::DecimalType::GetWidth(to) - duckdb::DecimalType::GetScale(to);
    if (is_integer(from)) return digits_of(from) <= whole;
    if (from.id() != LogicalTypeId::DECIMAL) return false;
    return duckdb::DecimalType::GetScale(from) <= duckdb::DecimalType::GetScale(to) &&
           duckdb::DecimalType::GetWidth(from) - duckdb::DecimalType::GetScale(from) <= whole;
  }
  if (to.id() == LogicalTypeId::DOUBLE)
    return from.id() == LogicalTypeId::FLOAT || (is_integer(from) && digits_of(from) <= 10);
  if (to.id() == LogicalTypeId::VARCHAR) return from.id() == LogicalTypeId::ENUM || from.id() == LogicalTypeId::UUID;
  if (to.id() == LogicalTypeId::TIMESTAMP || to.id() == LogicalTypeId::TIMESTAMP_TZ) {
    return is_timestamp(from.id()) || from.id() == LogicalTypeId::DATE;
  }
  if (from.id() == LogicalTypeId::LIST && to.id() == LogicalTypeId::LIST) {
    return nothing_is_lost(duckdb::ListType::GetChildType(from), duckdb::ListType::GetChildType(to));
  }
  if (from.id() == LogicalTypeId::STRUCT && to.id() == LogicalTypeId::STRUCT) {
    const auto& has = duckdb::StructType::GetChildTypes(from);
    const auto& wants = duckdb::StructType::GetChildTypes(to);
    if (has.size() != wants.size()) return false;
    for (size_t i = 0; i < has.size(); ++i) {
      if (lower(has[i].first) != lower(wants[i].first) || !nothing_is_lost(has[i].second, wants[i].second))
        return false;
    }
    return true;
  }
  return false;
}

/// The SQL that gives `name` as a value of `to`.
std::string cast_of(const std::string& name, const LogicalType& from, const LogicalType& to) {
  std::string column = quoted_name(name);
  if (from == to) return column;
  if (from.id() ==
      LogicalTypeId::TIMESTAMP_NS) {  // A cast would cut times before 1970 toward zero, not toward minus infinity.
    column = fmt::format("make_timestamp((epoch_ns({0}) - ((epoch_ns({0}) % 1000) + 1000) % 1000) // 1000)", column);
  }
  return fmt::format("CAST({} AS {})", column, to.ToString());
}

/// JSON is written as the text that it is: nobody has checked that it is JSON, and a row that is not must not end the
/// run.
LogicalType stored_type(const LogicalType& type) {
  return duckdb::TypeVisitor::VisitReplace(
      type, [](const LogicalType& part) { return part.IsJSONType() ? LogicalType(LogicalTypeId::VARCHAR) : part; });
}

class DuckReader final : public ParquetReader {
 public:
  DuckReader(std::string path, const std::string& query) : path_(std::move(path)), connection_(database()) {
    connection_.Query("SET TimeZone = 'UTC'");
    rows_ = connection_.SendQuery(query);
    if (rows_->HasError()) rows_->ThrowError();
  }

  Result<std::unique_ptr<DataChunk>> next() override {
    try {
      duckdb::unique_ptr<DataChunk> chunk = rows_->Fetch();
      if (rows_->HasError()) return damaged(path_, rows_->GetErrorObject().RawMessage());
      return std::unique_ptr<DataChunk>(chunk.release());
    } catch (const std::exception& failure) {
      return damaged(path_, reason_of(failure));
    }
  }

 private:
  const std::string path_;
  duckdb::Connection connection_;
  duckdb::unique_ptr<duckdb::QueryResult> rows_;
};

class DuckWriter final : public ParquetWriter {
 public:
  explicit DuckWriter(const std::vector<ParquetColumn>& columns) : connection_(database()) {
    std::string list;
    for (const ParquetColumn& column : columns) {
      list += fmt::format("{}{} {}", list.empty() ? "" : ", ", quoted_name(column.name),
                          stored_type(column.type).ToString());
    }
    run("CREATE TEMP TABLE waiting (" + list + ")");
  }

  Result<> append(DataChunk& rows) override {
    try {
      duckdb::Appender appender(connection_, "temp", "main", "waiting");
      appender.AppendDataChunk(rows);
      appender.Close();
      rows_ += static_cast<int64_t>(rows.size());
      return {};
    } catch (const std::exception& failure) {
      return Error{Code::internal,
                   Blame::engine,
                   Retry::never,
                   "rows do not fit their own Parquet schema: " + reason_of(failure),
                   {},
                   {}};
    }
  }

  int64_t rows() const override { return rows_; }

  Result<> write(const std::string& path) override {
    try {
      run("COPY waiting TO " + quoted_text(path) + " (FORMAT parquet)");
      run("TRUNCATE waiting");
      rows_ = 0;
      return {};
    } catch (const std::exception& failure) {
      return not_written(path, reason_of(failure));
    }
  }

 private:
  void run(const std::string& query) {
    auto result = connection_.Query(query);
    if (result->HasError()) result->ThrowError();
  }

  duckdb::Connection connection_;
  int64_t rows_ = 0;
};

}  // namespace

Result<std::vector<ParquetColumn>> parquet_columns(const std::string& path) {
  try {
    duckdb::Connection connection(database());
    auto prepared = connection.Prepare("SELECT * FROM read_parquet(" + quoted_text(path) + ")");
    if (prepared->HasError()) return damaged(path, prepared->GetErrorObject().RawMessage());
    std::vector<ParquetColumn> columns;
    for (size_t i = 0; i < prepared->GetNames().size(); ++i)
      columns.push_back({prepared->GetNames()[i], prepared->GetTypes()[i]});
    return columns;
  } catch (const std::exception& failure) {
    return damaged(path, reason_of(failure));
  }
}

Result<> check_parquet_holds(const ParquetColumn& column) {
  const auto refused = [&](std::string_view reason) {
    return user_error(Code::bad_config, fmt::format("format parquet cannot hold column {} of type {}: {}", column.name,
                                                    column.type.ToString(), reason));
  };
  if (duckdb::TypeVisitor::Contains(column.type, LogicalTypeId::INTERVAL))
    return refused("its intervals are whole milliseconds, and never negative")
        .with_remedy(fmt::format("write CAST({} AS VARCHAR)", column.name));
  for (LogicalTypeId wide : {LogicalTypeId::HUGEINT, LogicalTypeId::UHUGEINT})
    if (duckdb::TypeVisitor::Contains(column.type, wide))
      return refused("it would become a DOUBLE").with_remedy(fmt::format("write CAST({} AS DECIMAL(38))", column.name));
  const auto unnamed = [](const LogicalType& type) {
    return type.id() == LogicalTypeId::STRUCT && duckdb::StructType::IsUnnamed(type);
  };
  if (duckdb::TypeVisitor::Contains(column.type, unnamed))
    return refused("its fields have names").with_remedy("name them: {'a': x, 'b': y} instead of ROW(x, y)");
  return {};
}

Result<std::unique_ptr<ParquetReader>> ParquetReader::open(const std::string& path,
                                                           const std::vector<ParquetColumn>& columns,
                                                           int64_t first_row) {
  HEADRACE_ASSIGN(const std::vector<ParquetColumn> there, parquet_columns(path));
  std::string list;
  for (const ParquetColumn& column : columns) {
    const ParquetColumn* found = nullptr;
    for (const ParquetColumn& candidate : there) {
      if (lower(candidate.name) == lower(column.name)) found = &candidate;
    }
    if (found == nullptr) {
      std::vector<std::string> names;
      for (const ParquetColumn& candidate : there) names.push_back(candidate.name);
      return user_error(Code::bad_config,
                        fmt::format("{} has no column {}; it has ({})", path, column.name, fmt::join(names, ", ")));
    }
    if (!nothing_is_lost(found->type, column.type)) {
      return user_error(Code::bad_config, fmt::format("{}: column {} is of type {}, which is declared as {}", path,
                                                      column.name, found->type.ToString(), column.type.ToString()))
          .with_remedy("declare the type that the file has, and cast it in the query");
    }
    list +=
        (list.empty() ? "" : ", ") + cast_of(found->name, found->type, column.type) + " AS " + quoted_name(column.name);
  }
  // A file whose columns nobody reads still counts its rows.
  if (list.empty()) list = "1";
  try {
    const std::string offset = first_row > 0 ? fmt::format(" OFFSET {}", first_row) : "";
    return std::unique_ptr<ParquetReader>(std::make_unique<DuckReader>(
        path, "SELECT " + list + " FROM read_parquet(" + quoted_text(path) + ")" + offset));
  } catch (const std::exception& failure) {
    return damaged(path, reason_of(failure));
  }
}

Result<std::unique_ptr<ParquetWriter>> ParquetWriter::make(const std::vector<ParquetColumn>& columns) {
  try {
    return std::unique_ptr<ParquetWriter>(std::make_unique<DuckWriter>(columns));
  } catch (const std::exception& failure) {
    return user_error(Code::bad_config, "Parquet cannot hold the columns: " + reason_of(failure));
  }
}

Result<> join_parquet(const std::vector<std::string>& parts, const std::string& path) {
  try {
    std::string list;
    for (const std::string& part : parts) list += (list.empty() ? "" : ", ") + quoted_text(part);
    duckdb::Connection connection(database());
    auto result = connection.Query("COPY (SELECT * FROM read_parquet([" + list + "])) TO " + quoted_text(path) +
                                   " (FORMAT parquet)");
    if (result->HasError()) return not_written(path, result->GetErrorObject().RawMessage());
    return {};
  } catch (const std::exception& failure) {
    return not_written(path, reason_of(failure));
  }
}

}  // namespace headrace
