#include "codec/debezium.h"

#include <fmt/format.h>

namespace headrace {

namespace ondemand = simdjson::ondemand;

bool DebeziumEnvelope::read_field(std::string_view name, ondemand::value value, Event& event, ValueFault& fault) {
  if (name == "before") return EnvelopeFields::object_text(name, value, event.before, fault);
  if (name == "after") return EnvelopeFields::object_text(name, value, event.after, fault);
  if (name == "op") return EnvelopeFields::word(name, value, event.operation, fault);
  return EnvelopeFields::skip(name, value, fault);
}

bool DebeziumEnvelope::read(std::string_view text, size_t readable, std::vector<RowChange>& changes,
                            ValueFault& fault) {
  // The tombstone that follows a removal, for Kafka's compaction: it says nothing that the removal did not.
  if (text == "null") return true;
  Event event;
  const bool whole = fields_.read(text, readable, fault, [&](std::string_view name, ondemand::value value) {
    if (name != "payload") return read_field(name, value, event, fault);
    ondemand::object payload;
    event.tombstone = value.raw_json_token().starts_with("null");
    if (event.tombstone) return EnvelopeFields::skip(name, value, fault);
    if (value.get_object().get(payload))
      return EnvelopeFields::refuse(Code::wrong_type, "field \"payload\" is neither an object nor null", fault);
    return EnvelopeFields::each_field(payload, fault, [&](std::string_view inner, ondemand::value inner_value) {
      return read_field(inner, inner_value, event, fault);
    });
  });
  if (!whole) return false;
  if (event.tombstone) return true;
  const std::string& op = event.operation;
  if (op.empty()) return EnvelopeFields::refuse(Code::missing_field, "a Debezium event has a field \"op\"", fault);
  const bool inserts = op == "c" || op == "r";
  if (!inserts && op != "u" && op != "d")
    return EnvelopeFields::refuse(Code::unsupported_change,
                                  op == "t" ? "TRUNCATE (\"op\": \"t\") does not say which rows it removes"
                                            : fmt::format("\"op\": \"{}\" is no change of a row", op),
                                  fault);
  const bool removes = op == "d";
  if ((removes ? event.before : event.after).empty())
    return EnvelopeFields::refuse(
        Code::missing_field, fmt::format("\"op\": \"{}\" without its row \"{}\"", op, removes ? "before" : "after"),
        fault);
  using Kind = RowChange::Kind;
  changes.push_back({inserts   ? Kind::insert
                     : removes ? Kind::remove
                               : Kind::update,
                     removes ? event.before : event.after, removes ? std::string_view() : event.before, false});
  return true;
}

}  // namespace headrace
