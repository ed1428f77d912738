// From a request to its answer: access, routing, checks, handler, counting. Nothing here knows of sockets.
#pragma once

#include "serve/api.h"
#include "serve/endpoint.h"
#include "serve/static_files.h"

namespace headrace {

/// What is known from a request's head alone.
struct Admission {
  const Endpoint* endpoint = nullptr;  ///< nullptr: a file of the console, or an error.
  std::optional<Response> answer;      ///< Set: answered already; the body need not be read.
};

class Dispatch {
 public:
  Dispatch(Api& api, StaticFiles& files) : api_(api), files_(files) {}

  /// Judges a request by its head, before its body is read: Host and Origin, token, role, path, method, parameters,
  /// media types.
  Admission admit(Request& request);
  /// Runs the endpoint with the whole request (its body as it came). May wait for the disk or a query.
  Response run(const Endpoint& endpoint, Request& request);
  /// Counts an answer that run() did not give.
  void count(const Response& response) { api_.metrics.count("other", response.status, 0); }

 private:
  Result<const Endpoint*> check(Request& request, std::string& allowed);
  Result<Response> answer(const Endpoint& endpoint, Request& request);

  Api& api_;
  StaticFiles& files_;
};

}  // namespace headrace
