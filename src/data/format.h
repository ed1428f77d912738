// What is known of a record format by its name, also to rooms that read no bytes.
#pragma once

#include <string_view>

namespace headrace {

/// True when records of the format say what they do to their row: add, change or remove it.
inline bool tells_changes(std::string_view format) {
  return format == "changelog-ndjson" || format == "debezium-json" || format == "maxwell-json" ||
         format == "canal-json";
}

}  // namespace headrace
