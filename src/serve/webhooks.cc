#include "serve/webhooks.h"

#include <algorithm>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <chrono>
#include <limits>

#include "base/clock.h"
#include "base/log_line.h"

namespace headrace {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

constexpr int64_t post_timeout_ms = 5'000;
constexpr int64_t wait_ns_first = 500'000'000, wait_ns_max = 60'000'000'000;
constexpr int64_t never_ns = std::numeric_limits<int64_t>::max();

struct Address {
  bool tls = false;
  std::string host, port, target;
};

Result<Address> parse_address(const std::string& url) {
  Address out;
  std::string rest;
  if (url.rfind("http://", 0) == 0) {
    rest = url.substr(7);
  } else if (url.rfind("https://", 0) == 0) {
    out.tls = true;
    rest = url.substr(8);
  } else {
    return user_error(Code::bad_config, "a webhook is an http:// or https:// address");
  }
  const size_t slash = std::min(rest.find('/'), rest.size());
  out.target = slash < rest.size() ? rest.substr(slash) : "/";
  const std::string authority = rest.substr(0, slash);
  const size_t colon = authority.rfind(':');
  const bool has_port = colon != std::string::npos && authority.find(']', colon) == std::string::npos;
  out.host = authority.substr(0, has_port ? colon : std::string::npos);
  out.port = has_port ? authority.substr(colon + 1) : out.tls ? "443" : "80";
  if (out.host.empty()) return user_error(Code::bad_config, "the webhook's address has no host");
  return out;
}

Error unavailable(const std::string& what) {
  return environment_error(Code::sink_unavailable, "webhook: " + what);
}

/// Writes the request and reads the answer on a connected stream; every step within the stream's time limit.
template <class Stream>
void exchange(asio::io_context& io, Stream& stream, http::request<http::string_body>& request, beast::error_code& error,
              int& status) {
  auto buffer = std::make_shared<beast::flat_buffer>();
  auto response = std::make_shared<http::response<http::string_body>>();
  http::async_write(stream, request, [&, buffer, response](beast::error_code failed, size_t) {
    error = failed;
    if (failed) return;
    http::async_read(stream, *buffer, *response, [&, buffer, response](beast::error_code read_failed, size_t) {
      error = read_failed;
      status = response->result_int();
    });
  });
  io.restart();
  io.run();
}

}  // namespace

Result<> post_json(const std::string& url, const std::string& body, const std::string& idempotency_key,
                   int64_t timeout_ms) {
  HEADRACE_ASSIGN(Address address, parse_address(url));
  http::request<http::string_body> request(http::verb::post, address.target, 11);
  request.set(http::field::host, address.host);
  request.set(http::field::content_type, "application/json");
  request.set(http::field::user_agent, "headrace");
  request.set("Idempotency-Key", idempotency_key);
  request.keep_alive(false);
  request.body() = body;
  request.prepare_payload();

  asio::io_context io;
  beast::error_code error;
  asio::ip::tcp::resolver resolver(io);
  auto endpoints = resolver.resolve(address.host, address.port, error);
  if (error) return unavailable(error.message());
  beast::tcp_stream tcp(io);
  tcp.expires_after(std::chrono::milliseconds(timeout_ms));
  tcp.async_connect(endpoints, [&](beast::error_code failed, const asio::ip::tcp::endpoint&) { error = failed; });
  io.run();
  if (error) return unavailable(error.message());
  int status = 0;
  if (address.tls) {
    asio::ssl::context tls(asio::ssl::context::tls_client);  // Reads the system's certificates: 30 ms.
    tls.set_default_verify_paths(error);
    tls.set_verify_mode(asio::ssl::verify_peer);
    beast::ssl_stream<beast::tcp_stream> stream(std::move(tcp), tls);
    SSL_set_tlsext_host_name(stream.native_handle(), address.host.c_str());
    stream.set_verify_callback(asio::ssl::host_name_verification(address.host));
    stream.async_handshake(asio::ssl::stream_base::client, [&](beast::error_code failed) { error = failed; });
    io.restart();
    io.run();
    if (error) return unavailable(error.message());
    exchange(io, stream, request, error, status);
  } else {
    exchange(io, tcp, request, error, status);
  }
  if (error) return unavailable(error.message());
  if (status < 200 || status > 299) return unavailable("status " + std::to_string(status));
  return {};
}

Webhooks::Webhooks(Pipeline& pipeline) : pipeline_(pipeline), thread_([this] { serve(); }) {}

Webhooks::~Webhooks() {
  finish();
}

void Webhooks::finish() {
  wake(finishing_);
  if (thread_.joinable()) thread_.join();
}

void Webhooks::wake(bool& reason) {
  {
    std::lock_guard lock(mutex_);
    reason = true;
  }
  change_.notify_all();
}

void Webhooks::serve() {
  std::unique_lock lock(mutex_);
  while (!finishing_) {
    waiting_ = false;
    lock.unlock();
    const int64_t next_ns = send_due(false);
    const std::chrono::nanoseconds pause(next_ns - system_clock().steady_ns());
    lock.lock();
    const auto woken = [this] { return waiting_ || finishing_; };
    if (next_ns == never_ns)
      change_.wait(lock, woken);
    else
      change_.wait_for(lock, pause, woken);
  }
  lock.unlock();
  send_due(true);
}

int64_t Webhooks::send_due(bool last) {
  int64_t next_ns = never_ns;
  for (const AlertDelivery& delivery : pipeline_.undelivered()) {
    Receiver& receiver = receivers_[delivery.webhook];
    const int64_t now = system_clock().steady_ns();
    if (now >= receiver.wait_until_ns || (last && receiver.failures == 0)) send(delivery, receiver, now);
    if (receiver.failures > 0) next_ns = std::min(next_ns, receiver.wait_until_ns);
  }
  return next_ns;
}

void Webhooks::send(const AlertDelivery& delivery, Receiver& receiver, int64_t now_ns) {
  Result<> sent = post_json(delivery.webhook, delivery.body, delivery.key, post_timeout_ms);
  if (sent) {
    receiver = {};
    pipeline_.delivered(delivery.id);
    return;
  }
  pipeline_.delivery_failed(delivery.id);
  // The address may hold a secret: the log names the alert only.
  if (receiver.failures == 0)
    log_line(LogLevel::warning, "webhook_failed",
             {{"alert", delivery.alert},
              {"code", std::to_string(static_cast<int>(sent.error().code))},
              {"name", std::string(name_of(sent.error().code))},
              {"message", sent.error().message}});
  receiver.wait_until_ns = now_ns + std::min(wait_ns_max, wait_ns_first << std::min(receiver.failures, 10));
  ++receiver.failures;
}

}  // namespace headrace
