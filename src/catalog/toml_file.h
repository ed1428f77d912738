// The one place that includes toml++: reading a file's text into a table, and places of its nodes. Private to
// src/catalog.
#pragma once

#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace headrace {

/// Parses a TOML text. Errors: `code` with the place.
Result<toml::table> parse_toml(const std::string& text, const std::string& path, Code code);

/// Where a node's value begins.
Location place_of(const toml::node& node, const std::string& path);
/// Where a key stands.
Location place_of(const toml::key& key, const std::string& path);

/// "there is no key 'x'", with the nearest of `known`, at the key.
Error unknown_key(const toml::key& key, const std::vector<std::string>& known, const std::string& path, Code code);

}  // namespace headrace
