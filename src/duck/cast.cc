#include "duck/cast.h"

#include <duckdb/common/types/value.hpp>

namespace headrace {

bool cast_text(std::string_view text, Vector& column, int64_t row) {
  try {
    duckdb::Value value;
    duckdb::string reason;
    if (!duckdb::Value(std::string(text)).DefaultTryCastAs(column.GetType(), value, &reason, true)) return false;
    column.SetValue(static_cast<duckdb::idx_t>(row), value);
    return true;
  } catch (const std::exception&) {  // Some casts throw where they could answer false; for the caller both mean "not of
                                     // this type".
    return false;
  }
}

std::string value_text(const Vector& column, int64_t row) {
  try {
    return column.GetValue(static_cast<duckdb::idx_t>(row)).ToString();
  } catch (const std::exception& failure) {
    return failure.what();
  }
}

}  // namespace headrace
