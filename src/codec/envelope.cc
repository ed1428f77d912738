#include "codec/envelope.h"

#include <fmt/format.h>

namespace headrace {

namespace ondemand = simdjson::ondemand;

bool EnvelopeFields::object_text(std::string_view name, ondemand::value value, std::string_view& text,
                                 ValueFault& fault) {
  text = {};
  const std::string_view token = value.raw_json_token();
  if (token.starts_with('{')) {
    ondemand::object object;
    if (auto error = value.get_object().get(object)) return broken(error, fault);
    if (auto error = object.raw_json().get(text)) return broken(error, fault);
    text.remove_suffix(text.size() - (text.rfind('}') + 1));
    return true;
  }
  if (token.starts_with("null")) return skip(name, value, fault);
  return refuse(Code::wrong_type, fmt::format("field \"{}\": {} is neither an object nor null", name, shortened(token)),
                fault);
}

bool EnvelopeFields::word(std::string_view name, ondemand::value value, std::string& out, ValueFault& fault) {
  const std::string_view token = value.raw_json_token();
  std::string_view text;
  if (value.get_string().get(text))
    return refuse(Code::wrong_type, fmt::format("field \"{}\": {} is not a text", name, shortened(token)), fault);
  out = text;
  return true;
}

bool EnvelopeFields::skip(std::string_view name, ondemand::value value, ValueFault& fault) {
  const std::string_view token = value.raw_json_token();
  if (plausible_scalar(token)) return true;
  return refuse(Code::malformed_record, fmt::format("field \"{}\": {} is not a JSON value", name, shortened(token)),
                fault);
}

bool EnvelopeFields::refuse(Code code, std::string reason, ValueFault& fault) {
  fault = {code, std::move(reason)};
  return false;
}

bool EnvelopeFields::broken(simdjson::error_code error, ValueFault& fault) {
  return refuse(error == simdjson::UTF8_ERROR ? Code::invalid_utf8 : Code::malformed_record,
                simdjson::error_message(error), fault);
}

}  // namespace headrace
