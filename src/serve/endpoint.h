// The table of endpoints: routing, checking of methods and parameters, roles, and the OpenAPI document are all read
// from its rows, so that they cannot drift apart. A new endpoint is one row and its handler.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "serve/access.h"
#include "serve/message.h"

namespace headrace {

class Api;

enum class Place : uint8_t { path, query, header };
enum class ParameterKind : uint8_t { text, integer };

struct Parameter {
  std::string_view name;
  Place place = Place::query;
  ParameterKind kind = ParameterKind::text;
  std::string_view summary;
  int64_t minimum = 0, maximum = 0;  ///< Integers only.
  int64_t length_max = 0;            ///< Texts only; 0 = no limit of its own.
};

/// A body or an answer in one media type; `schema` names a component of the OpenAPI document ("" = any text).
struct Content {
  std::string_view media_type;
  std::string_view schema;
};

struct Endpoint {
  std::string_view method;
  std::string_view path;  ///< "/v1/views/{name}"
  std::string_view id;    ///< OpenAPI's operationId.
  std::string_view summary;
  Role role = Role::reader;  ///< nobody: no token is asked for.
  std::span<const Parameter> parameters;
  std::span<const Content> bodies;   ///< What it takes; empty = no body.
  std::span<const Content> answers;  ///< What it gives; empty = 204.
  std::span<const Code> errors;      ///< Beyond those that every endpoint may give.
  Result<Response> (*handle)(Api&, const Request&) = nullptr;
};

std::span<const Endpoint> all_endpoints();

/// Every status that an endpoint may answer with, ascending, without repeats.
std::vector<int> statuses_of(const Endpoint& endpoint);

/// The first of `offered` in the order of the Accept header's wishes (RFC 9110, 12.5.1); "" when none is acceptable.
std::string_view negotiate(std::string_view accept, std::span<const Content> offered);

/// Finds the endpoint and fills `path_values`. Errors: not_found; method_not_allowed (`allowed` then holds the
/// methods).
Result<const Endpoint*> route(Request& request, std::string& allowed);

/// Checks the request against the endpoint's row: parameters (unknown ones, too), Accept, and the body's media type.
/// Errors: bad_request, not_acceptable, unsupported_media.
Result<> check_request(const Endpoint& endpoint, const Request& request);

/// Media type of a Content-Type header without its parameters, in lower case.
std::string media_type_of(std::string_view content_type);

/// The OpenAPI 3.1 document of the table.
std::string openapi_json();

}  // namespace headrace
