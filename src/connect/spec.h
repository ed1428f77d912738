// A connector's row: what it is called, which options it takes, how it is made. Option checking, --help, the reference
// page, the console's form and the Python stub are made from these rows. A new connector is a folder and one line in
// all.cc.
#pragma once

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "connect/sink.h"
#include "connect/source.h"

namespace headrace {

enum class FieldKind : uint8_t { text, integer, real, boolean, duration_ms, choice, columns, delimiter };
enum class Guarantee : uint8_t { exactly_once, at_least_once };

struct ConfigField {
  std::string_view name;
  FieldKind kind = FieldKind::text;
  std::string_view fallback;  ///< The default as text; "" = none.
  std::string_view summary;   ///< One sentence; for a choice it begins with the values, "a | b: ...".
  bool required = false;
  bool tunes = false;  ///< Says how fast, how long or how much at a time; which data it is does not depend on it.
};

/// What every source takes besides its own options; what they mean is the engine's business, not the connector's.
inline constexpr ConfigField common_source_fields[] = {
    {"on_error", FieldKind::choice, "quarantine",
     "quarantine | null | fail: what becomes of a row on which an expression fails, and of a record that cannot be "
     "read.",
     false, true},
    {"extra_fields", FieldKind::choice, "ignore",
     "ignore | quarantine: what becomes of a record with a field that is not declared; in csv, of every "
     "record of a file whose header names one.",
     false, true},
    {"watermark_every", FieldKind::choice, "row", "row: the watermark moves with every row.", false, true},
    {"max_future", FieldKind::duration_ms, "",
     "Rows whose time lies further ahead of the clock than this go to the quarantine; off for bounded and replayed "
     "files, else 1 d.",
     false, true},
};

/// The fields of a source: its own, then the common ones.
template <size_t Own>
constexpr auto with_common_source_fields(const ConfigField (&own)[Own]) {
  std::array<ConfigField, Own + std::size(common_source_fields)> all{};
  std::copy(std::begin(own), std::end(own), all.begin());
  std::copy(std::begin(common_source_fields), std::end(common_source_fields), all.begin() + Own);
  return all;
}

/// The checked options of one statement; keys are lower case.
class Options {
 public:
  Options() = default;
  explicit Options(std::map<std::string, std::string> values) : values_(std::move(values)) {}

  bool has(std::string_view name) const { return values_.count(std::string(name)) > 0; }
  /// The value or the field's default; check_options has put every default in.
  std::string text(std::string_view name) const;
  int64_t integer(std::string_view name) const;
  double real(std::string_view name) const;
  bool boolean(std::string_view name) const;
  /// "5 s", "100 ms" or a bare number of milliseconds.
  int64_t duration_ms(std::string_view name) const;
  const std::map<std::string, std::string>& values() const { return values_; }

 private:
  std::map<std::string, std::string> values_;
};

/// Checks `given` against the fields: unknown names (with the nearest known one), missing and malformed values; fills
/// in defaults. Errors: unknown_option, bad_config, bad_duration (all never).
Result<Options> check_options(std::string_view what, std::span<const ConfigField> fields,
                              const std::map<std::string, std::string>& given);

/// Reads "10 s", "250 ms", "1 min", "2 h", "1 d" or a bare number of milliseconds. Errors: bad_duration (never).
Result<int64_t> parse_duration_ms(std::string_view text);

/// What is still there of the input that a source has read.
struct Past {
  enum class Kept : uint8_t { none, some, all } kept = Kept::none;
  std::string text;  ///< For people: none: why; some: from where on.
};

struct ConnectorSpec {
  std::string_view name;
  std::string_view summary;
  std::span<const ConfigField> source_fields;  ///< Empty when it has no source.
  std::span<const ConfigField> sink_fields;    ///< Empty when it has no sink.
  Guarantee guarantee = Guarantee::exactly_once;
  bool bounded_by_default = false;
  Result<std::unique_ptr<Source>> (*make_source)(const SourceContext&) = nullptr;
  Result<std::unique_ptr<Sink>> (*make_sink)(const SinkContext&) = nullptr;
  /// Refuses a result whose columns a sink with these options cannot hold, while the project is read. nullptr: it holds
  /// all.
  Result<> (*check_columns)(const Options&, const Schema&) = nullptr;
  /// What can be read again of what lies before SourceContext::end; opens nothing. nullptr: nothing can.
  Result<Past> (*past)(const SourceContext&) = nullptr;
};

/// Every connector, in alphabetical order (connect/all.cc).
std::span<const ConnectorSpec* const> all_connectors();
/// Errors: bad_config with the nearest name (never).
Result<const ConnectorSpec*> find_connector(std::string_view name);
/// Adds a connector of a room that connect may not include (lake); called by app before anything else.
void register_connector(const ConnectorSpec& spec);

}  // namespace headrace
