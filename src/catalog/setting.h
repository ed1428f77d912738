// The keys of headrace.toml that the engine and its server read. A new setting is one row here; the check and the
// reference page follow from it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace headrace {

enum class SettingKind : uint8_t { text, integer, real, texts, boolean };

struct Setting {
  std::string_view name;  ///< "engine.shards": table and key.
  SettingKind kind = SettingKind::text;
  std::string_view summary;
};

/// Every setting, in the order of the reference page.
std::span<const Setting> all_settings();

}  // namespace headrace
