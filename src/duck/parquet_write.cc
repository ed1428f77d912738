#include "duck/parquet_write.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <duckdb.hpp>
#include <duckdb/common/types/column/column_data_collection.hpp>
#include <duckdb/parser/keyword_helper.hpp>
#include <duckdb/parser/parsed_data/copy_info.hpp>
#include <duckdb/parser/parser.hpp>
#include <duckdb/parser/query_node/select_node.hpp>
#include <duckdb/parser/statement/copy_statement.hpp>
#include <duckdb/parser/statement/select_statement.hpp>
#include <duckdb/parser/tableref/column_data_ref.hpp>
#include <filesystem>

#include "base/file.h"

namespace headrace {
namespace {

using duckdb::Value;

constexpr const char* rows_name = "headrace_rows";  // Stands in the SQL text where the collected rows are put.

/// One database for all writers: it holds nothing, and one more costs 19 MB.
duckdb::DuckDB& database() {
  static auto* shared = [] {
    duckdb::DBConfig config;
    config.SetOptionByName("threads", Value::INTEGER(1));
    config.SetOptionByName("autoinstall_known_extensions", Value::BOOLEAN(false));
    config.SetOptionByName("autoload_known_extensions", Value::BOOLEAN(false));
    return new duckdb::DuckDB(nullptr, &config);
  }();
  return *shared;
}

std::string quoted(const std::string& text, char quote) {
  return duckdb::KeywordHelper::WriteQuoted(text, quote);
}

/// FIELD_IDS in DuckDB's spelling: 7, or {'__duckdb_field_id': 7, 'element': 8}.
std::string field_ids_sql(const ParquetFieldId& field) {
  if (field.children.empty()) return std::to_string(field.id);
  std::string out = fmt::format("{{'__duckdb_field_id': {}", field.id);
  for (const ParquetFieldId& child : field.children)
    out += fmt::format(", {}: {}", quoted(child.name, '\''), field_ids_sql(child));
  return out + "}";
}

/// Only what is not repeated has bounds that mean something for a row.
struct StatisticsTarget {
  int32_t field_id;
  bool bounded;
};

/// Maps DuckDB's name of a column of the file ("s"."x") to its field.
void collect_targets(const ParquetFieldId& field, const std::string& path, const LogicalType& type, bool repeated,
                     std::map<std::string, StatisticsTarget>& targets) {
  if (field.children.empty()) {
    targets[path] = {field.id, !repeated};
    return;
  }
  bool repeats = repeated || type.id() != LogicalTypeId::STRUCT;
  for (const ParquetFieldId& child : field.children) {
    LogicalType child_type = LogicalTypeId::SQLNULL;
    if (type.id() == LogicalTypeId::LIST) child_type = duckdb::ListType::GetChildType(type);
    if (type.id() == LogicalTypeId::MAP)
      child_type = child.name == "key" ? duckdb::MapType::KeyType(type) : duckdb::MapType::ValueType(type);
    if (type.id() == LogicalTypeId::STRUCT) {
      for (const auto& [name, inner] : duckdb::StructType::GetChildTypes(type))
        if (duckdb::StringUtil::CIEquals(name, child.name)) child_type = inner;
    }
    collect_targets(child, path + "." + quoted(child.name, '"'), child_type, repeats, targets);
  }
}

ParquetColumnStatistics read_statistics(const StatisticsTarget& target, const Value& statistics) {
  ParquetColumnStatistics out;
  out.field_id = target.field_id;
  bool has_nan = false;
  for (const Value& entry : duckdb::MapValue::GetChildren(statistics)) {
    const auto& pair = duckdb::StructValue::GetChildren(entry);
    std::string name = pair[0].ToString(), value = pair[1].ToString();
    if (name == "column_size_bytes") out.bytes = std::strtoll(value.c_str(), nullptr, 10);
    if (name == "num_values") out.values = std::strtoll(value.c_str(), nullptr, 10);
    if (name == "null_count") out.nulls = std::strtoll(value.c_str(), nullptr, 10);
    if (name == "has_nan") has_nan = value == "true";
    if (name == "min" && target.bounded) out.minimum = value;
    if (name == "max" && target.bounded) out.maximum = value;
  }
  if (has_nan) out.minimum.reset(), out.maximum.reset();
  return out;
}

Error write_error(const std::string& message) {
  bool full = message.find("No space left") != std::string::npos;
  return environment_error(
      full ? Code::disk_full : Code::io_error,
      "a Parquet file cannot be written: " + message.substr(0, message.find('\n')));  // Without a stack trace.
}

class DuckParquetWriter final : public ParquetWriter {
 public:
  DuckParquetWriter(std::vector<ParquetColumn> columns, std::vector<std::string> part_by)
      : columns_(std::move(columns)), part_by_(std::move(part_by)), connection_(database()) {
    for (size_t i = 0; i < columns_.size(); ++i) {
      const ParquetColumn& column = columns_[i];
      types_.push_back(column.type);
      names_.push_back(fmt::format("c{}", i));
      std::string comma = i == 0 ? "" : ", ";
      std::string value =
          column.type == column.stored ? names_[i] : fmt::format("CAST({} AS {})", names_[i], column.stored.ToString());
      select_list_ += fmt::format("{}{} AS {}", comma, value, quoted(column.name, '"'));
      field_ids_ += fmt::format("{}{}: {}", comma, quoted(column.name, '\''), field_ids_sql(column.field));
      collect_targets(column.field, quoted(column.name, '"'), column.stored, false, targets_);
    }
    collect_anew();
    connection_.Query("SET TimeZone = 'UTC'");  // So that days of instants, and bounds as text, are those of UTC.
  }

  void append(const DataChunk& rows) override { collection_->Append(const_cast<DataChunk&>(rows)); }
  int64_t rows() const override { return static_cast<int64_t>(collection_->Count()); }
  int64_t bytes() const override { return static_cast<int64_t>(collection_->SizeInBytes()); }

  Result<std::vector<ParquetFile>> write(const std::function<std::string(size_t)>& path_of) override {
    std::vector<ParquetFile> files;
    if (rows() == 0) return files;
    HEADRACE_ASSIGN(std::vector<std::vector<Value>> parts, find_parts());
    for (size_t i = 0; i < parts.size(); ++i) {
      HEADRACE_ASSIGN(ParquetFile file, write_part(parts[i], path_of(i)));
      files.push_back(std::move(file));
    }
    collect_anew();
    return files;
  }

 private:
  void collect_anew() {
    collection_ = std::make_unique<duckdb::ColumnDataCollection>(duckdb::Allocator::DefaultAllocator(), types_);
  }

  /// Runs a query whose FROM is `headrace_rows`, or a COPY of one, over the collected rows.
  Result<std::unique_ptr<duckdb::MaterializedQueryResult>> run(const std::string& sql) {
    try {
      duckdb::Parser parser;
      parser.ParseQuery(sql);
      duckdb::unique_ptr<duckdb::SQLStatement> statement = std::move(parser.statements[0]);
      duckdb::QueryNode& node = statement->type == duckdb::StatementType::COPY_STATEMENT
                                    ? *statement->Cast<duckdb::CopyStatement>().info->select_statement
                                    : *statement->Cast<duckdb::SelectStatement>().node;
      auto rows = duckdb::make_uniq<duckdb::ColumnDataRef>(*collection_, names_);
      rows->alias = rows_name;
      node.Cast<duckdb::SelectNode>().from_table = std::move(rows);
      auto result = connection_.Query(std::move(statement));
      if (result->HasError()) return write_error(result->GetError());
      return std::unique_ptr<duckdb::MaterializedQueryResult>(result.release());
    } catch (const std::exception& exception) {
      return write_error(exception.what());
    }
  }

  Result<std::vector<std::vector<Value>>> find_parts() {
    std::vector<std::vector<Value>> parts;
    if (part_by_.empty()) return std::vector<std::vector<Value>>(1);
    HEADRACE_ASSIGN(auto result,
                    run(fmt::format("SELECT DISTINCT {} FROM {} ORDER BY ALL", fmt::join(part_by_, ", "), rows_name)));
    for (size_t row = 0; row < result->RowCount(); ++row) {
      std::vector<Value>& part = parts.emplace_back();
      for (size_t column = 0; column < part_by_.size(); ++column) part.push_back(result->GetValue(column, row));
    }
    if (parts.size() > parts_max)
      return user_error(Code::bad_config, fmt::format("one epoch has rows of {} partitions; at most {} are written",
                                                      parts.size(), parts_max))
          .with_remedy("partition by a coarser column");
    return parts;
  }

  Result<ParquetFile> write_part(const std::vector<Value>& part, const std::string& path) {
    std::string condition;
    for (size_t i = 0; i < part.size(); ++i)
      condition +=
          fmt::format("{} {} IS NOT DISTINCT FROM {}", i == 0 ? " WHERE" : " AND", part_by_[i], part[i].ToSQLString());
    HEADRACE_ASSIGN(
        auto result,
        run(fmt::format("COPY (SELECT {} FROM {}{}) TO {} (FORMAT parquet, CODEC zstd, FIELD_IDS {{{}}}, RETURN_STATS)",
                        select_list_, rows_name, condition, quoted(path, '\''), field_ids_)));
    HEADRACE_ASSIGN(File written, File::open(path, File::Mode::append));
    HEADRACE_TRY(written.sync());
    HEADRACE_TRY(sync_directory(std::filesystem::path(path).parent_path().string()));
    // Columns of RETURN_STATS: filename, count, file_size_bytes, footer_size_bytes, column_statistics, partition_keys.
    ParquetFile file{.path = path,
                     .rows = result->GetValue(1, 0).GetValue<int64_t>(),
                     .bytes = result->GetValue(2, 0).GetValue<int64_t>(),
                     .part = part,
                     .columns = {}};
    Value columns = result->GetValue(4, 0);
    for (const Value& entry : duckdb::MapValue::GetChildren(columns)) {
      const auto& pair = duckdb::StructValue::GetChildren(entry);
      auto target = targets_.find(pair[0].ToString());
      if (target != targets_.end()) file.columns.push_back(read_statistics(target->second, pair[1]));
    }
    std::sort(file.columns.begin(), file.columns.end(),
              [](const auto& a, const auto& b) { return a.field_id < b.field_id; });
    return file;
  }

  std::vector<ParquetColumn> columns_;
  std::vector<std::string> part_by_;
  duckdb::Connection connection_;
  duckdb::vector<LogicalType> types_;
  duckdb::vector<std::string> names_;
  std::string select_list_, field_ids_;
  std::map<std::string, StatisticsTarget> targets_;
  std::unique_ptr<duckdb::ColumnDataCollection> collection_;
};

}  // namespace

Result<std::unique_ptr<ParquetWriter>> ParquetWriter::make(std::vector<ParquetColumn> columns,
                                                           std::vector<std::string> part_by) {
  try {
    return std::unique_ptr<ParquetWriter>(std::make_unique<DuckParquetWriter>(std::move(columns), std::move(part_by)));
  } catch (const std::exception& exception) {
    return write_error(exception.what());
  }
}

}  // namespace headrace
