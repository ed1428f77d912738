#include "codec/canal.h"

#include <fmt/format.h>

namespace headrace {

namespace ondemand = simdjson::ondemand;

namespace {

/// The texts of an array's objects; none for null.
bool object_texts(std::string_view name, ondemand::value value, std::vector<std::string_view>& out, ValueFault& fault) {
  out.clear();
  if (value.raw_json_token().starts_with("null")) return EnvelopeFields::skip(name, value, fault);
  ondemand::array array;
  if (value.get_array().get(array))
    return EnvelopeFields::refuse(Code::wrong_type, fmt::format("field \"{}\" is neither an array nor null", name),
                                  fault);
  for (auto result : array) {
    ondemand::value element;
    if (auto error = std::move(result).get(element)) return EnvelopeFields::broken(error, fault);
    out.emplace_back();
    if (!EnvelopeFields::object_text(name, element, out.back(), fault)) return false;
  }
  return true;
}

}  // namespace

bool CanalEnvelope::read(std::string_view text, size_t readable, std::vector<RowChange>& changes, ValueFault& fault) {
  std::string type;
  std::vector<std::string_view> data, old;
  const bool whole = fields_.read(text, readable, fault, [&](std::string_view name, ondemand::value value) {
    if (name == "type") return EnvelopeFields::word(name, value, type, fault);
    if (name == "data") return object_texts(name, value, data, fault);
    if (name == "old") return object_texts(name, value, old, fault);
    return EnvelopeFields::skip(name, value, fault);
  });
  if (!whole) return false;
  if (type.empty()) return EnvelopeFields::refuse(Code::missing_field, "a Canal record has a field \"type\"", fault);
  if (type != "INSERT" && type != "UPDATE" && type != "DELETE")
    return EnvelopeFields::refuse(Code::unsupported_change,
                                  type == "TRUNCATE" ? "TRUNCATE does not say which rows it removes"
                                                     : fmt::format("\"type\": \"{}\" is no change of a row", type),
                                  fault);
  if (data.empty())
    return EnvelopeFields::refuse(Code::missing_field, fmt::format("\"type\": \"{}\" without rows in \"data\"", type),
                                  fault);
  const bool updates = type == "UPDATE";
  if (updates && !old.empty() && old.size() != data.size())
    return EnvelopeFields::refuse(
        Code::malformed_record,
        fmt::format("\"old\" has {} elements, but \"data\" has {} rows", old.size(), data.size()), fault);
  using Kind = RowChange::Kind;
  for (size_t i = 0; i < data.size(); ++i) {
    if (data[i].empty()) return EnvelopeFields::refuse(Code::missing_field, "an element of \"data\" is null", fault);
    changes.push_back({updates            ? Kind::update
                       : type == "INSERT" ? Kind::insert
                                          : Kind::remove,
                       data[i], updates && !old.empty() ? old[i] : std::string_view(), true});
  }
  return true;
}

}  // namespace headrace
