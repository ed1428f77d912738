// From a request to its answer: access, routing, checks, handler, counting. Nothing here knows of sockets.
#pragma once

#include <atomic>
#include <shared_mutex>

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
  Dispatch(Api& api, StaticFiles& files) : api_(&api), files_(files) {}

  /// From now on every request is told to come again later; returns when none is in work.
  void hold();
  /// Serves again, over another pipeline. After hold().
  void resume(Api& api);
  bool held() const { return held_; }

  /// Judges a request by its head, before its body is read: Host and Origin, token, role, path, method, parameters,
  /// media types.
  Admission admit(Request& request);
  /// Runs the endpoint with the whole request (its body as it came). May wait for the disk or a query.
  Response run(const Endpoint& endpoint, Request& request);
  /// Counts an answer that run() did not give.
  void count(const Response& response);

 private:
  Result<const Endpoint*> check(Request& request, std::string& allowed);
  Result<Response> answer(const Endpoint& endpoint, Request& request);

  std::atomic<bool> held_{false};
  std::shared_mutex serving_;  ///< Shared by requests in work; they leave it before the pipeline goes.
  Api* api_;
  StaticFiles& files_;
};

}  // namespace headrace
