#include "lake/iceberg_type.h"

#include <fmt/format.h>

#include "base/json_text.h"

namespace headrace {
namespace {

Result<IcebergType> list_type(const std::string& column, const LogicalType& type) {
  HEADRACE_ASSIGN(IcebergType element, iceberg_type(column, duckdb::ListType::GetChildType(type)));
  return IcebergType{fmt::format(R"({{"list":{}}})", element.json), LogicalType::LIST(element.stored)};
}

Result<IcebergType> map_type(const std::string& column, const LogicalType& type) {
  HEADRACE_ASSIGN(IcebergType key, iceberg_type(column, duckdb::MapType::KeyType(type)));
  HEADRACE_ASSIGN(IcebergType value, iceberg_type(column, duckdb::MapType::ValueType(type)));
  return IcebergType{fmt::format(R"({{"map":[{},{}]}})", key.json, value.json),
                     LogicalType::MAP(key.stored, value.stored)};
}

Result<IcebergType> struct_type(const std::string& column, const LogicalType& type) {
  duckdb::child_list_t<LogicalType> stored;
  std::string fields;
  for (const auto& [name, inner] : duckdb::StructType::GetChildTypes(type)) {
    HEADRACE_ASSIGN(IcebergType field, iceberg_type(column + "." + name, inner));
    fields += fmt::format(R"({}{{"name":{},"type":{}}})", fields.empty() ? "" : ",", json_string(name), field.json);
    stored.emplace_back(name, field.stored);
  }
  return IcebergType{fmt::format(R"({{"struct":[{}]}})", fields), LogicalType::STRUCT(std::move(stored))};
}

IcebergType decimal_type(uint8_t width, uint8_t scale) {
  return {fmt::format("\"decimal({}, {})\"", width, scale), LogicalType::DECIMAL(width, scale)};
}

}  // namespace

Result<IcebergType> iceberg_type(const std::string& column, const LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::BOOLEAN:
      return IcebergType{R"("boolean")", LogicalType::BOOLEAN};
    case LogicalTypeId::TINYINT:
    case LogicalTypeId::SMALLINT:
    case LogicalTypeId::UTINYINT:
    case LogicalTypeId::USMALLINT:
    case LogicalTypeId::INTEGER:
      return IcebergType{R"("int")", LogicalType::INTEGER};
    case LogicalTypeId::UINTEGER:
    case LogicalTypeId::BIGINT:
      return IcebergType{R"("long")", LogicalType::BIGINT};
    case LogicalTypeId::UBIGINT:
      return decimal_type(20, 0);
    case LogicalTypeId::FLOAT:
      return IcebergType{R"("float")", LogicalType::FLOAT};
    case LogicalTypeId::DOUBLE:
      return IcebergType{R"("double")", LogicalType::DOUBLE};
    case LogicalTypeId::DECIMAL:
      return decimal_type(duckdb::DecimalType::GetWidth(type), duckdb::DecimalType::GetScale(type));
    case LogicalTypeId::ENUM:
    case LogicalTypeId::VARCHAR:
      return IcebergType{R"("string")", LogicalType::VARCHAR};
    case LogicalTypeId::BLOB:
      return IcebergType{R"("binary")", LogicalType::BLOB};
    case LogicalTypeId::UUID:
      return IcebergType{R"("uuid")", LogicalType::UUID};
    case LogicalTypeId::DATE:
      return IcebergType{R"("date")", LogicalType::DATE};
    case LogicalTypeId::TIME:
      return IcebergType{R"("time")", LogicalType::TIME};
    case LogicalTypeId::TIMESTAMP_SEC:
    case LogicalTypeId::TIMESTAMP_MS:
    case LogicalTypeId::TIMESTAMP:
      return IcebergType{R"("timestamp")", LogicalType::TIMESTAMP};
    case LogicalTypeId::TIMESTAMP_TZ:
      return IcebergType{R"("timestamptz")", LogicalType::TIMESTAMP_TZ};
    case LogicalTypeId::LIST:
      return list_type(column, type);
    case LogicalTypeId::MAP:
      return map_type(column, type);
    case LogicalTypeId::STRUCT:
      return struct_type(column, type);
    default:
      return user_error(Code::bad_config,
                        fmt::format("column {} is {}, which an Iceberg table cannot hold", column, type.ToString()))
          .with_remedy(fmt::format("cast it in the sink's query, such as CAST({} AS {})", column,
                                   type.id() == LogicalTypeId::HUGEINT ? "DECIMAL(38, 0)" : "VARCHAR"));
  }
}

}  // namespace headrace
