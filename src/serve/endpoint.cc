#include "serve/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "data/schema.h"

namespace headrace {
namespace {

/// Codes that any endpoint may answer with.
constexpr Code common_errors[] = {Code::bad_request, Code::bad_origin, Code::internal};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// True when `path` has the form of `pattern`; fills the values of its {names}.
bool matches(std::string_view pattern, std::string_view path, std::map<std::string, std::string>& values) {
  for (;;) {
    size_t pattern_end = std::min(pattern.find('/', 1), pattern.size());
    size_t path_end = std::min(path.find('/', 1), path.size());
    std::string_view wanted = pattern.substr(0, pattern_end), given = path.substr(0, path_end);
    if (wanted.starts_with("/{")) {
      if (given.size() < 2) return false;
      std::optional<std::string> value = percent_decoded(given.substr(1), false);
      if (!value) return false;
      values[std::string(wanted.substr(2, wanted.size() - 3))] = *value;
    } else if (wanted != given) {
      return false;
    }
    pattern.remove_prefix(pattern_end);
    path.remove_prefix(path_end);
    if (pattern.empty() || path.empty()) return pattern.empty() && path.empty();
  }
}

Result<> check_parameter(const Parameter& parameter, const std::string& value) {
  if (parameter.kind == ParameterKind::integer) {
    int64_t number = 0;
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc{} || end != value.data() + value.size() || number < parameter.minimum ||
        number > parameter.maximum)
      return user_error(Code::bad_request, fmt::format("'{}' must be a whole number from {} to {}; got '{}'",
                                                       parameter.name, parameter.minimum, parameter.maximum, value));
  } else if (parameter.length_max > 0 && static_cast<int64_t>(value.size()) > parameter.length_max) {
    return user_error(Code::bad_request, fmt::format("'{}' has {} bytes; at most {} are taken", parameter.name,
                                                     value.size(), parameter.length_max));
  }
  return {};
}

struct Wish {
  std::string_view media_type;
  double quality = 1;
};

std::vector<Wish> wishes_of(std::string_view accept) {
  std::vector<Wish> out;
  while (!accept.empty()) {
    size_t end = std::min(accept.find(','), accept.size());
    std::string_view one = accept.substr(0, end);
    accept.remove_prefix(std::min(end + 1, accept.size()));
    Wish wish{trimmed(one.substr(0, one.find(';')))};
    if (size_t q = one.find("q="); q != std::string_view::npos) {
      wish.quality = 0;
      std::string_view number = trimmed(one.substr(q + 2));
      std::from_chars(number.data(), number.data() + number.size(), wish.quality);
    }
    if (!wish.media_type.empty()) out.push_back(wish);
  }
  std::stable_sort(out.begin(), out.end(), [](const Wish& a, const Wish& b) { return a.quality > b.quality; });
  return out;
}

bool fits(std::string_view wish, std::string_view offer) {
  if (wish == "*/*" || same_name(wish, offer)) return true;
  return wish.ends_with("/*") && offer.substr(0, offer.find('/')) == wish.substr(0, wish.size() - 2);
}

}  // namespace

std::string media_type_of(std::string_view content_type) {
  return lower(trimmed(content_type.substr(0, content_type.find(';'))));
}

std::string_view negotiate(std::string_view accept, std::span<const Content> offered) {
  if (offered.empty()) return {};
  if (trimmed(accept).empty()) return offered.front().media_type;
  for (const Wish& wish : wishes_of(accept)) {
    if (wish.quality <= 0) continue;
    for (const Content& offer : offered)
      if (fits(wish.media_type, offer.media_type)) return offer.media_type;
  }
  return {};
}

std::vector<int> statuses_of(const Endpoint& endpoint) {
  std::set<int> out{endpoint.answers.empty() ? 204 : 200};
  for (Code code : common_errors) out.insert(status_of(code));
  for (Code code : endpoint.errors) out.insert(status_of(code));
  if (endpoint.role != Role::nobody) out.insert({401, 403});
  if (!endpoint.bodies.empty()) out.insert({413, 415});
  if (!endpoint.answers.empty()) out.insert(406);
  return {out.begin(), out.end()};
}

Result<const Endpoint*> route(Request& request, std::string& allowed) {
  for (const Endpoint& endpoint : all_endpoints()) {
    std::map<std::string, std::string> values;
    if (!matches(endpoint.path, request.path, values)) continue;
    if (endpoint.method == request.method) {
      request.path_values = std::move(values);
      return &endpoint;
    }
    allowed += (allowed.empty() ? "" : ", ") + std::string(endpoint.method);
  }
  if (!allowed.empty())
    return user_error(Code::method_not_allowed, fmt::format("{} does not take {}", request.path, request.method))
        .with_remedy("use " + allowed);
  return user_error(Code::not_found, fmt::format("there is nothing at {}", request.path))
      .with_remedy("GET /openapi.json lists what there is");
}

Result<> check_request(const Endpoint& endpoint, const Request& request) {
  for (const auto& [name, value] : request.query) {
    auto known = std::find_if(endpoint.parameters.begin(), endpoint.parameters.end(),
                              [&](const Parameter& p) { return p.place == Place::query && p.name == name; });
    if (known == endpoint.parameters.end()) {
      std::vector<std::string> names;
      for (const Parameter& parameter : endpoint.parameters)
        if (parameter.place == Place::query) names.emplace_back(parameter.name);
      std::string nearest = nearest_name(name, names);
      return user_error(Code::bad_request, fmt::format("{} has no parameter '{}'", endpoint.path, name))
          .with_remedy(nearest.empty() ? "" : fmt::format("did you mean '{}'?", nearest));
    }
    HEADRACE_TRY(check_parameter(*known, value));
  }
  for (const Parameter& parameter : endpoint.parameters) {
    if (parameter.place != Place::header) continue;
    if (const std::string& value = request.header(lower(parameter.name)); !value.empty())
      HEADRACE_TRY(check_parameter(parameter, value));
  }
  if (!endpoint.answers.empty() && negotiate(request.header("accept"), endpoint.answers).empty())
    return user_error(Code::not_acceptable,
                      fmt::format("{} gives none of '{}'", endpoint.path, request.header("accept")))
        .with_remedy(fmt::format("accept {}", endpoint.answers.front().media_type));
  if (!endpoint.bodies.empty()) {
    std::string given = media_type_of(request.header("content-type"));
    if (std::none_of(endpoint.bodies.begin(), endpoint.bodies.end(),
                     [&](const Content& body) { return body.media_type == given; }))
      return user_error(Code::unsupported_media,
                        fmt::format("{} does not take a body of type '{}'", endpoint.path, given))
          .with_remedy(fmt::format("send Content-Type: {}", endpoint.bodies.front().media_type));
  }
  return {};
}

}  // namespace headrace
