#include "udf/call_detail.h"

#include <fmt/format.h>

#include "base/json_text.h"
#include "codec/encoder.h"
#include "udf/fields_json.h"

namespace headrace {
namespace {

constexpr size_t arguments_bytes_max = 1 << 20;  // A group may be larger; the quarantine is not the place for it.

/// The columns of a call by name, in the order of call_types().
std::vector<std::string> column_names(const FunctionDescription& function) {
  std::vector<std::string> out;
  for (const Field& argument : function.arguments) out.push_back(argument.name);
  if (function.kind == FunctionKind::accumulator) {
    out.insert(out.begin(), "(states)");
    out.push_back("(taken back)");
  }
  if (function.kind == FunctionKind::process) {
    out = function.key;
    for (const char* name : {"(state)", "(timers)", "(rows)", "(watermarks)", "(watermark behind)"})
      out.push_back(name);
  }
  return out;
}

std::string arguments_json(const FunctionDescription& function, const DataChunk& arguments, int64_t row) {
  std::string out = "{";
  const std::vector<std::string> names = column_names(function);
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, names[i]);
    out += ':';
    append_json_value(out, arguments.data[i], row);
    if (out.size() > arguments_bytes_max) return "null";
  }
  return out + "}";
}

}  // namespace

std::string call_detail(const FunctionDescription& function, const DataChunk& arguments, int64_t row) {
  return fmt::format(R"({{"function":{},"file":{},"hash":{},"rows":{},"arguments":{}}})", json_string(function.name),
                     json_string(function.file), json_string(function.hash), fields_json(function.rows),
                     arguments_json(function, arguments, row));
}

}  // namespace headrace
