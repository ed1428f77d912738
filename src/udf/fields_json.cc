#include "udf/fields_json.h"

#include <fmt/format.h>

#include "base/json_text.h"

namespace headrace {
namespace {

/// A type as python/headrace/column_types.py reads it; the members of a JSON object, without its brackets.
std::string type_members(const LogicalType& type) {
  auto inner = [](const std::string& name, const LogicalType& of) {
    return fmt::format(R"({{"name":{},{}}})", json_string(name), type_members(of));
  };
  switch (type.id()) {
    case LogicalTypeId::DECIMAL:
      return fmt::format(R"("type":"DECIMAL","precision":{},"scale":{})", duckdb::DecimalType::GetWidth(type),
                         duckdb::DecimalType::GetScale(type));
    case LogicalTypeId::LIST:
      return fmt::format(R"("type":"LIST","inner":[{}])", inner("item", duckdb::ListType::GetChildType(type)));
    case LogicalTypeId::MAP:
      return fmt::format(R"("type":"MAP","inner":[{},{}])", inner("key", duckdb::MapType::KeyType(type)),
                         inner("value", duckdb::MapType::ValueType(type)));
    case LogicalTypeId::STRUCT: {
      std::string fields;
      for (const auto& [name, of] : duckdb::StructType::GetChildTypes(type))
        fields += (fields.empty() ? "" : ",") + inner(name, of);
      return fmt::format(R"("type":"STRUCT","inner":[{}])", fields);
    }
    case LogicalTypeId::TIMESTAMP_TZ:
      return R"("type":"TIMESTAMPTZ")";
    default:
      return fmt::format(R"("type":"{}")", type.ToString());
  }
}

}  // namespace

std::string fields_json(const std::vector<Field>& fields) {
  std::string out;
  for (const Field& field : fields)
    out +=
        fmt::format(R"({}{{"name":{},{}}})", out.empty() ? "" : ",", json_string(field.name), type_members(field.type));
  return "[" + out + "]";
}

}  // namespace headrace
