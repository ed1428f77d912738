#include "serve/message.h"

#include <fmt/format.h>

#include <charconv>

#include "base/json_text.h"

namespace headrace {

const std::string& Request::header(const std::string& lower_name) const {
  static const std::string none;
  auto found = headers.find(lower_name);
  return found == headers.end() ? none : found->second;
}

const std::string* Request::query_value(const std::string& name) const {
  auto found = query.find(name);
  return found == query.end() ? nullptr : &found->second;
}

int64_t Request::integer(const std::string& name, int64_t fallback) const {
  const std::string* text = query_value(name);
  int64_t value = fallback;
  if (text) std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

int status_of(Code code) {
  switch (code) {
    case Code::unauthorized:
      return 401;
    case Code::forbidden:
    case Code::bad_origin:
      return 403;
    case Code::not_found:
      return 404;
    case Code::method_not_allowed:
      return 405;
    case Code::not_acceptable:
      return 406;
    case Code::key_reused:
      return 409;
    case Code::too_large:
      return 413;
    case Code::unsupported_media:
      return 415;
    case Code::overloaded:
      return 429;
    case Code::stopping:
      return 503;
    case Code::source_unavailable:
    case Code::sink_unavailable:
      return 503;
    case Code::disk_full:
      return 507;
    case Code::internal:
    case Code::io_error:
    case Code::corrupt_state:
    case Code::state_mismatch:
      return 500;
    default:
      return 400;
  }
}

Response error_response(const Error& error) {
  Response out;
  out.status = status_of(error.code);
  out.body = fmt::format("{{\"error\":{{\"code\":{},\"name\":{},\"message\":{}", static_cast<int>(error.code),
                         json_string(name_of(error.code)), json_string(error.message));
  if (!error.remedy.empty()) out.body += ",\"remedy\":" + json_string(error.remedy);
  if (std::string at = error.at.text(); !at.empty()) out.body += ",\"at\":" + json_string(at);
  out.body += "}}";
  if (error.code == Code::overloaded || error.code == Code::stopping) out.headers.emplace_back("Retry-After", "1");
  if (error.code == Code::unauthorized) out.headers.emplace_back("WWW-Authenticate", "Bearer");
  return out;
}

Response json_response(std::string body) {
  Response out;
  out.body = std::move(body);
  return out;
}

std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      unsigned value = 0;
      if (i + 2 >= text.size()) return std::nullopt;  // Two digits must follow.
      auto [end, error] = std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
      if (error != std::errc{} || end != text.data() + i + 3) return std::nullopt;
      out.push_back(static_cast<char>(value));
      i += 2;
    } else {
      out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

}  // namespace headrace
