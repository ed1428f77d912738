#include "data/schema.h"

namespace headrace {
std::optional<size_t> Schema::find(std::string_view name) const {
  for (size_t i = 0; i < fields_.size(); ++i)
    if (same_name(fields_[i].name, name)) return i;
  return std::nullopt;
}

duckdb::vector<LogicalType> Schema::types() const {
  duckdb::vector<LogicalType> out;
  for (const Field& field : fields_) out.push_back(field.type);
  return out;
}

Schema Schema::select(const std::vector<size_t>& columns) const {
  std::vector<Field> out;
  for (size_t column : columns) out.push_back(fields_[column]);
  return Schema(std::move(out));
}

bool Schema::accepts(const Schema& newer) const {
  for (const Field& field : fields_) {
    std::optional<size_t> column = newer.find(field.name);
    if (!column && !field.nullable) return false;
    if (column && newer[*column].type != field.type) return false;
    if (column && !field.nullable && newer[*column].nullable) return false;
  }
  return true;
}

std::string Schema::text() const {
  std::string out;
  for (const Field& field : fields_) {
    if (!out.empty()) out += ", ";
    out += field.name + " " + field.type.ToString() + (field.nullable ? "" : " NOT NULL");
  }
  return out;
}

}  // namespace headrace
