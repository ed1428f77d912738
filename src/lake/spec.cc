#include "connect/spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "lake/iceberg_sink.h"
#include "lake/iceberg_type.h"
#include "lake/lake.h"
#include "lake/tables_in_use.h"

namespace headrace {
namespace {

constexpr ConfigField sink_fields[] = {
    {"table", FieldKind::text, "",
     "Table to append to, as 'namespace.name' or 'name' in namespace lake; made when it is missing.", true},
    {"warehouse", FieldKind::text, "",
     "Local folder of the tables and their catalog (catalog.db); default: lake in the state directory."},
    {"partitioned_by", FieldKind::text, "",
     "Columns, or day(column), separated by commas; each value gets files of its own."},
    {"commit_interval", FieldKind::duration_ms, "0",
     "Least time between two commits; 0 = with every checkpoint. Rows wait durably.", false, true},
    {"changes", FieldKind::choice, "append", "append | upsert | retract: only append is run so far."},
};

const ConnectorSpec iceberg_spec{
    .name = "iceberg",
    .summary =
        "Appends to Iceberg tables in the embedded lake, readable by DuckDB, Spark, Trino, PyIceberg and others.",
    .source_fields = {},
    .sink_fields = sink_fields,
    .guarantee = Guarantee::exactly_once,
    .make_sink = &IcebergSink::make,
};

std::string trimmed_lower(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::vector<std::string> split_at_commas(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    size_t comma = std::min(text.find(','), text.size());
    out.push_back(trimmed_lower(text.substr(0, comma)));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return out;
}

bool is_plain_name(const std::string& name) {
  return !name.empty() &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; });
}

Result<PartitionPart> read_part(const std::string& text, const Schema& schema) {
  PartitionPart part{text};
  if (text.starts_with("day(") && text.ends_with(")"))
    part = {trimmed_lower(std::string_view(text).substr(4, text.size() - 5)), true};
  std::optional<size_t> place = schema.find(part.column);
  if (!place)
    return user_error(Code::bad_config, fmt::format("partitioned_by: the query has no column '{}'", part.column));
  HEADRACE_ASSIGN(IcebergType type, iceberg_type(schema[*place].name, schema[*place].type));
  part.column = schema[*place].name;
  LogicalTypeId id = type.stored.id();
  bool day_goes = id == LogicalTypeId::DATE || id == LogicalTypeId::TIMESTAMP || id == LogicalTypeId::TIMESTAMP_TZ;
  bool value_goes = id == LogicalTypeId::VARCHAR || id == LogicalTypeId::INTEGER || id == LogicalTypeId::BIGINT ||
                    id == LogicalTypeId::BOOLEAN || id == LogicalTypeId::DATE;
  if (part.by_day ? day_goes : value_goes) return part;
  return user_error(Code::bad_config, fmt::format("partitioned_by: {} does not go with column {} of type {}", text,
                                                  part.column, type.stored.ToString()))
      .with_remedy("partition by text, whole numbers, booleans and dates, and by day(...) of dates and timestamps");
}

Result<std::string> read_table(const std::string& text) {
  std::string table = qualified_lake_table(text);
  size_t dot = table.find('.');
  std::string space = table.substr(0, dot), name = table.substr(dot + 1);
  if (!is_plain_name(space) || !is_plain_name(name))
    return user_error(Code::bad_config,
                      fmt::format("table = '{}' is not 'name' or 'namespace.name' of letters, digits and _", text));
  if (space == "main")
    return user_error(Code::bad_config, "table: DuckDB cannot see an Iceberg namespace called main")
        .with_remedy(fmt::format("table = 'lake.{}'", name));
  return table;
}

Result<std::string> read_warehouse(const SinkContext& context) {
  std::string text = context.options->text("warehouse");
  if (text.empty()) return default_warehouse(context.state_directory);
  if (text.find("://") != std::string::npos)
    return user_error(Code::bad_config, fmt::format("warehouse = '{}': only local folders so far", text))
        .with_remedy("give a path");
  return (std::filesystem::absolute(context.project_directory) / text).lexically_normal().string();
}

}  // namespace

Error append_only_error(const std::string& sink) {
  return user_error(Code::changelog_mismatch,
                    fmt::format("sink {} appends to an Iceberg table, and its result changes", sink))
      .with_remedy(
          "aggregate in a window (its result comes once, when the window closes), or write the changes with "
          "connector = 'file', changes = 'retract'");
}

Result<IcebergSinkOptions> read_iceberg_options(const SinkContext& context) {
  if (context.options->text("changes") != "append" || !context.append_only) return append_only_error(context.name);
  IcebergSinkOptions options;
  HEADRACE_ASSIGN(options.table, read_table(context.options->text("table")));
  HEADRACE_ASSIGN(options.warehouse, read_warehouse(context));
  options.commit_interval_ms = context.options->duration_ms("commit_interval");
  for (const std::string& text : split_at_commas(context.options->text("partitioned_by"))) {
    HEADRACE_ASSIGN(PartitionPart part, read_part(text, *context.schema));
    options.partitioned_by.push_back(std::move(part));
  }
  return options;
}

void register_lake_connectors() {
  register_connector(iceberg_spec);
}

}  // namespace headrace
