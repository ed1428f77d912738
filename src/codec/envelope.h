// Records that wrap rows: an envelope says what happened, and holds the rows before and after it as JSON objects.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>
#include <vector>

#include "codec/json_value.h"

namespace headrace {

/// What an envelope tells of one row. The texts lie in the record.
struct RowChange {
  enum class Kind : uint8_t { insert, update, remove } kind = Kind::insert;
  std::string_view row;       ///< The row after an insert or update, or as it was before it was removed.
  std::string_view before;    ///< update: the row before it; empty = the record does not say.
  bool only_changed = false;  ///< `before` has only the fields that were different.
};

/// Takes envelopes of one format apart. One per thread.
class Envelope {
 public:
  virtual ~Envelope() = default;
  /// Appends what the record tells to `changes`; some records tell nothing. `readable` bytes from its begin on may be
  /// touched. False: `fault` says why.
  virtual bool read(std::string_view text, size_t readable, std::vector<RowChange>& changes, ValueFault& fault) = 0;
};

/// An envelope's fields, one after the other. A record that is no JSON object, or goes on behind it, is broken.
class EnvelopeFields {
 public:
  /// Calls visit(name, value) for each field; it gives false, with the fault set, to end with that.
  template <class Visit>
  bool read(std::string_view text, size_t readable, ValueFault& fault, const Visit& visit) {
    if (text.size() > parser_.capacity()) {
      if (auto error = parser_.allocate(std::max(text.size(), 2 * parser_.capacity()))) return broken(error, fault);
    }
    simdjson::ondemand::document document;
    if (auto error = parser_.iterate(text.data(), text.size(), readable).get(document)) return broken(error, fault);
    simdjson::ondemand::object object;
    if (text.front() != '{' || document.get_object().get(object))
      return refuse(Code::malformed_record, "a record is one JSON object; got " + shortened(text), fault);
    if (!each_field(object, fault, visit)) return false;
    if (const char* behind = nullptr; !document.current_location().get(behind))
      return refuse(Code::malformed_record, "text follows the record's closing brace", fault);
    return true;
  }
  template <class Visit>
  static bool each_field(simdjson::ondemand::object object, ValueFault& fault, const Visit& visit) {
    for (auto result : object) {
      simdjson::ondemand::field field;
      if (auto error = std::move(result).get(field)) return broken(error, fault);
      std::string_view name;
      if (auto error = field.unescaped_key().get(name)) return broken(error, fault);
      if (!visit(name, field.value())) return false;
    }
    return true;
  }

  /// The text of a field that holds an object; "" for null.
  static bool object_text(std::string_view name, simdjson::ondemand::value value, std::string_view& text,
                          ValueFault& fault);
  /// The value of a field that holds a text.
  static bool word(std::string_view name, simdjson::ondemand::value value, std::string& out, ValueFault& fault);
  /// False when a field that nobody reads cannot be JSON.
  static bool skip(std::string_view name, simdjson::ondemand::value value, ValueFault& fault);
  static bool refuse(Code code, std::string reason, ValueFault& fault);
  static bool broken(simdjson::error_code error, ValueFault& fault);

 private:
  simdjson::ondemand::parser parser_;
};

}  // namespace headrace
