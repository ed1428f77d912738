#include "udf/call_detail.h"

#include <fmt/format.h>

#include "base/json_text.h"
#include "codec/encoder.h"

namespace headrace {

std::string call_detail(const FunctionDescription& function, const DataChunk& arguments, int64_t row) {
  std::string out = fmt::format(R"({{"function":{},"file":{},"hash":{},"arguments":{{)", json_string(function.name),
                                json_string(function.file), json_string(function.hash));
  for (size_t i = 0; i < arguments.ColumnCount(); ++i) {
    if (i > 0) out += ',';
    append_json_string(out, i < function.arguments.size() ? function.arguments[i].name : fmt::format("${}", i));
    out += ':';
    append_json_value(out, arguments.data[i], row);
  }
  return out + "}}";
}

}  // namespace headrace
