#include "codec/maxwell.h"

#include <fmt/format.h>

namespace headrace {

namespace ondemand = simdjson::ondemand;

bool MaxwellEnvelope::read(std::string_view text, size_t readable, std::vector<RowChange>& changes, ValueFault& fault) {
  std::string type;
  std::string_view data, old;
  const bool whole = fields_.read(text, readable, fault, [&](std::string_view name, ondemand::value value) {
    if (name == "type") return EnvelopeFields::word(name, value, type, fault);
    if (name == "data") return EnvelopeFields::object_text(name, value, data, fault);
    if (name == "old") return EnvelopeFields::object_text(name, value, old, fault);
    return EnvelopeFields::skip(name, value, fault);
  });
  if (!whole) return false;
  if (type.empty()) return EnvelopeFields::refuse(Code::missing_field, "a Maxwell record has a field \"type\"", fault);
  if (type == "bootstrap-start" || type == "bootstrap-complete") return true;  // They only frame the snapshot's rows.
  const bool inserts = type == "insert" || type == "bootstrap-insert";
  if (!inserts && type != "update" && type != "delete")
    return EnvelopeFields::refuse(Code::unsupported_change, fmt::format("\"type\": \"{}\" is no change of a row", type),
                                  fault);
  if (data.empty())
    return EnvelopeFields::refuse(Code::missing_field, fmt::format("\"type\": \"{}\" without its row \"data\"", type),
                                  fault);
  using Kind = RowChange::Kind;
  changes.push_back({inserts ? Kind::insert : type == "delete" ? Kind::remove : Kind::update, data, old, true});
  return true;
}

}  // namespace headrace
