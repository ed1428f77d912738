// Sends the messages of alerts: each at least once, in order per webhook, with an idempotency key that is the same for
// every try. A dead receiver costs nothing but its own messages' delay: they stay in the state until they are taken.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "run/pipeline.h"

namespace headrace {

class Webhooks {
 public:
  explicit Webhooks(Pipeline& pipeline);
  ~Webhooks();

  /// Gives what still waits one last try and ends. Idempotent.
  void finish();

 private:
  struct Receiver {
    int64_t wait_until_ns = 0;
    int32_t failures = 0;
  };

  void serve();
  void send_due(bool last);

  Pipeline& pipeline_;
  std::map<std::string, Receiver> receivers_;
  std::mutex mutex_;
  std::condition_variable change_;
  bool finishing_ = false;
  std::thread thread_;
};

/// Posts `body` as JSON. Errors: bad_config (not an http or https address), sink_unavailable (no connection, time-out,
/// status not 2xx).
Result<> post_json(const std::string& url, const std::string& body, const std::string& idempotency_key,
                   int64_t timeout_ms);

}  // namespace headrace
