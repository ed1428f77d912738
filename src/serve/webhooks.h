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

  /// There may be new messages. Called from any thread; asks the pipeline for nothing.
  void look() { wake(waiting_); }
  /// Gives what still waits one last try and ends. Idempotent.
  void finish();

 private:
  struct Receiver {
    int64_t wait_until_ns = 0;
    int32_t failures = 0;
  };

  void serve();
  /// Sends what waits for no receiver's pause; gives the time of the steady clock at which the next pause ends.
  int64_t send_due(bool last);
  void send(const AlertDelivery& delivery, Receiver& receiver, int64_t now_ns);
  void wake(bool& reason);

  Pipeline& pipeline_;
  std::map<std::string, Receiver> receivers_;
  std::mutex mutex_;
  std::condition_variable change_;
  bool waiting_ = false, finishing_ = false;  ///< Why the thread is woken: messages that may be new, the end.
  std::thread thread_;
};

/// Posts `body` as JSON. Errors: bad_config (not an http or https address), sink_unavailable (no connection, time-out,
/// status not 2xx).
Result<> post_json(const std::string& url, const std::string& body, const std::string& idempotency_key,
                   int64_t timeout_ms);

}  // namespace headrace
