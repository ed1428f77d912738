// Writing JSON by hand where a document is small and its form is ours: escaping only. Reading JSON is simdjson's work.
#pragma once

#include <string>
#include <string_view>

namespace headrace {

/// Appends `text` as a JSON string with quotes. Bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);
/// Gives `text` as a JSON string with quotes.
std::string json_string(std::string_view text);
/// Gives `text` with U+FFFD for bytes that are not UTF-8.
std::string valid_utf8(std::string_view text);

}  // namespace headrace
