#include "connect/python/functions.h"

#include "base/text.h"

namespace headrace {

Result<UserFunction> find_connector_function(FunctionHost* functions, FunctionKind kind, const std::string& name) {
  const std::string decorator = kind == FunctionKind::source ? "@hr.source" : "@hr.sink";
  for (size_t i = 0; functions != nullptr && i < functions->functions().size(); ++i) {
    const FunctionDescription& function = functions->functions()[i];
    if (!same_name(function.name, name)) continue;
    if (function.kind == kind) return UserFunction{functions, i};
    return user_error(Code::bad_config, name + " in " + function.file + " is not decorated with " + decorator);
  }
  return user_error(Code::unknown_function, "there is no function '" + name + "'")
      .with_remedy("write it into functions/*.py, with " + decorator);
}

Result<> call_once(const UserFunction& function, const std::vector<duckdb::Value>& arguments, Vector& result) {
  DataChunk row;
  row.Initialize(duckdb::Allocator::DefaultAllocator(),
                 duckdb::vector<LogicalType>(arguments.size(), LogicalType::VARCHAR), 1);
  for (size_t i = 0; i < arguments.size(); ++i) row.SetValue(i, 0, arguments[i]);
  row.SetCardinality(1);
  return function.call(row, result);
}

}  // namespace headrace
