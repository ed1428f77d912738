// A request and its answer as the endpoints see them: no sockets, no parsing of HTTP.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace headrace {

struct Request {
  std::string method;                              ///< Upper case.
  std::string path;                                ///< As it came; its segments are decoded into path_values.
  std::map<std::string, std::string> query;        ///< Percent-decoded; one value per name.
  std::map<std::string, std::string> headers;      ///< Names in lower case.
  std::map<std::string, std::string> path_values;  ///< What stands for {name} in the endpoint's path.
  std::string body;                                ///< Decompressed.

  /// A header's value, or "".
  const std::string& header(const std::string& lower_name) const;
  /// A query parameter's value, or nullptr.
  const std::string* query_value(const std::string& name) const;
  /// An integer query parameter that the endpoint table has checked already.
  int64_t integer(const std::string& name, int64_t fallback) const;
};

/// Events for one subscriber. Used by one thread at a time.
class EventFeed {
 public:
  virtual ~EventFeed() = default;
  /// Begins; `wake` is called from any thread when take() has something. Errors go to the subscriber as an ordinary
  /// answer.
  virtual Result<> start(std::function<void()> wake) = 0;
  /// The events that are there now as text/event-stream; "" when there are none. nullopt ends the stream.
  virtual std::optional<std::string> take() = 0;
  /// > 0: call take() again after so long even without a wake.
  virtual int64_t poll_ms() const { return 0; }
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  std::unique_ptr<EventFeed> feed;  ///< Set: the body is what the feed gives, until the client goes.
};

/// The HTTP status of an error code. One table, also used for the OpenAPI document.
int status_of(Code code);
/// {"error": {"code": 2014, "name": ..., "message": ..., "remedy": ..., "at": ...}} with its status.
Response error_response(const Error& error);
Response json_response(std::string body);

/// Undoes %xx (and + in queries); nullopt when a % is not followed by two hex digits.
std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space);

}  // namespace headrace
