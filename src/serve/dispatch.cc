#include "serve/dispatch.h"

#include <fmt/format.h>

#include "base/log_line.h"
#include "serve/inflate.h"

namespace headrace {

namespace {

Response come_again() {
  return error_response(environment_error(
      Code::stopping, "the engine is going over to another version of the pipeline; ask again later"));
}

}  // namespace

void Dispatch::hold() {
  held_ = true;
  std::unique_lock nobody(serving_);
}

void Dispatch::resume(Api& api) {
  std::unique_lock nobody(serving_);
  api_ = &api;
  held_ = false;
}

void Dispatch::count(const Response& response) {
  std::shared_lock serving(serving_);
  if (!held_) api_->metrics.count("other", response.status, 0);
}

Result<const Endpoint*> Dispatch::check(Request& request, std::string& allowed) {
  HEADRACE_TRY(api_->access->check_headers(request.header("host"), request.header("origin")));
  HEADRACE_ASSIGN(const Endpoint* endpoint, route(request, allowed));
  if (endpoint->role != Role::nobody) {
    HEADRACE_ASSIGN(Caller caller, api_->access->identify(request.header("authorization"), request.header("cookie")));
    HEADRACE_TRY(Access::require(caller, endpoint->role));
  }
  HEADRACE_TRY(check_request(*endpoint, request));
  return endpoint;
}

Admission Dispatch::admit(Request& request) {
  Admission out;
  std::shared_lock serving(serving_, std::defer_lock);
  if (!held_) serving.lock();
  if (held_) {
    out.answer = come_again();
    return out;
  }
  std::string allowed;
  Result<const Endpoint*> endpoint = check(request, allowed);
  if (endpoint.ok()) {
    out.endpoint = *endpoint;
    return out;
  }
  if (endpoint.error().code == Code::not_found && (request.method == "GET" || request.method == "HEAD"))
    out.answer = files_.get(request);
  if (!out.answer) out.answer = error_response(endpoint.error());
  if (!allowed.empty() && endpoint.error().code == Code::method_not_allowed)
    out.answer->headers.emplace_back("Allow", allowed);
  api_->metrics.count("other", out.answer->status, 0);
  return out;
}

Result<Response> Dispatch::answer(const Endpoint& endpoint, Request& request) {
  const std::string& encoding = request.header("content-encoding");
  if (!encoding.empty() && !same_name(encoding, "identity")) {
    if (!same_name(encoding, "gzip"))
      return user_error(Code::unsupported_media, fmt::format("Content-Encoding '{}' is not taken", encoding))
          .with_remedy("send gzip, or no encoding");
    HEADRACE_ASSIGN(request.body, gunzip(request.body, api_->options.max_body_bytes));
  }
  return endpoint.handle(*api_, request);
}

Response Dispatch::run(const Endpoint& endpoint, Request& request) {
  std::shared_lock serving(serving_, std::defer_lock);
  if (!held_) serving.lock();
  if (held_) return come_again();
  int64_t begin_ns = api_->options.clock->steady_ns();
  Result<Response> result = answer(endpoint, request);
  Response out = result.ok() ? std::move(*result) : error_response(result.error());
  // Once, at the top; what a client did wrong is the client's to log.
  if (!result.ok() && out.status >= 500 && out.status != 503) log_error("request_failed", result.error());
  api_->metrics.count(endpoint.id, out.status, static_cast<double>(api_->options.clock->steady_ns() - begin_ns) * 1e-9);
  return out;
}

}  // namespace headrace
