#include "serve/server.h"

#include <fmt/format.h>

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <set>
#include <thread>

#include "base/log_line.h"
#include "serve/dispatch.h"

namespace headrace {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
using Stream = beast::tcp_stream;

struct Address {
  std::string host;
  uint16_t port = 0;
};

/// "127.0.0.1:8480", "[::1]:8480", "localhost:0".
Result<Address> parse_address(const std::string& text) {
  size_t colon = text.rfind(':');
  Address out;
  bool ok = colon != std::string::npos;
  if (ok) {
    auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), out.port);
    ok = error == std::errc{} && end == text.data() + text.size();
    out.host = text.substr(0, colon);
    if (out.host.starts_with('[') && out.host.ends_with(']')) out.host = out.host.substr(1, out.host.size() - 2);
    ok &= !out.host.empty();
  }
  if (!ok)
    return user_error(Code::bad_config, fmt::format("'{}' is not an address to listen on", text))
        .with_remedy("give HOST:PORT, such as 127.0.0.1:8480");
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

/// Connections, requests in work, and the wish to end; shared with every session.
struct Shared {
  Shared(const ServerOptions& options_, Dispatch& dispatch_) : options(options_), dispatch(dispatch_) {}

  const ServerOptions& options;
  Dispatch& dispatch;
  std::unique_ptr<asio::thread_pool> requests;
  std::atomic<int64_t> connections{0};
  std::atomic<bool> stopping{false};

  std::mutex mutex;
  std::condition_variable idle;
  std::set<class Session*> sessions;
  int64_t streams = 0;  ///< Event streams, which look at the pipeline.
  asio::io_context io;  ///< Last: what is left in it when it goes are sessions, which use the rest.
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(Shared& shared, tcp::socket socket)
      : shared_(shared), options_(shared.options), stream_(std::move(socket)), wake_timer_(stream_.get_executor()) {
    std::lock_guard lock(shared_.mutex);
    shared_.sessions.insert(this);
  }
  ~Session() {
    std::lock_guard lock(shared_.mutex);
    shared_.sessions.erase(this);
    shared_.connections.fetch_sub(1);
    shared_.idle.notify_all();
  }

  void start() {
    asio::co_spawn(
        stream_.get_executor(), [self = shared_from_this()] { return self->serve(); },
        [](std::exception_ptr failure) {
          if (failure)
            log_line(LogLevel::error, "session_failed", {});  // Out of memory, most likely; the connection is closed.
        });
  }

  /// Ends an idle connection or an event stream; a request in work is answered first.
  void end() {
    asio::post(stream_.get_executor(), [weak = weak_from_this()] {
      std::shared_ptr<Session> self = weak.lock();
      if (!self) return;
      self->woken_ = true;  // It may be about to wait.
      self->wake_timer_.cancel();
      if (!self->in_work_) self->stream_.cancel();
    });
  }

 private:
  using Parser = http::request_parser<http::string_body>;

  struct InStream {
    explicit InStream(Shared& shared_) : shared(shared_) {
      std::lock_guard lock(shared.mutex);
      ++shared.streams;
    }
    ~InStream() {
      std::lock_guard lock(shared.mutex);
      --shared.streams;
      shared.idle.notify_all();
    }
    Shared& shared;
  };

  asio::awaitable<void> serve() {
    beast::flat_buffer buffer(static_cast<size_t>(options_.header_bytes_max) * 2);
    while (!shared_.stopping) {
      bool keep = co_await serve_one(buffer);
      in_work_ = false;
      if (!keep) break;
    }
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  }

  void limit(int64_t timeout_ms) { stream_.expires_after(std::chrono::milliseconds(timeout_ms)); }

  /// Reads a request and answers it; false when the connection ends with it.
  asio::awaitable<bool> serve_one(beast::flat_buffer& buffer) {
    Parser parser;
    parser.header_limit(static_cast<uint32_t>(options_.header_bytes_max));
    parser.body_limit(static_cast<uint64_t>(options_.max_body_bytes));
    // A request's first byte may let wait for itself, its rest may not.
    if (buffer.size() == 0) {
      limit(options_.idle_timeout_ms);
      auto [idle_error, ready] =
          co_await stream_.async_read_some(buffer.prepare(std::min<size_t>(4096, buffer.max_size())), as_result);
      if (idle_error) co_return false;
      buffer.commit(ready);
    }
    in_work_ = true;
    limit(options_.request_timeout_ms);
    auto [head_error, head_bytes] = co_await http::async_read_header(stream_, buffer, parser, as_result);
    if (head_error) co_return co_await refuse(head_error);

    Request request;
    std::optional<Error> unreadable = take_head(parser, request);
    Admission admission;
    if (unreadable)
      admission.answer = error_response(*unreadable);
    else
      admission = shared_.dispatch.admit(request);
    if (admission.answer) {
      // Answered by its head: a body that follows is not waited for.
      bool has_body = !parser.is_done() && (parser.chunked() || parser.content_length().value_or(0) > 0);
      co_return co_await write(*admission.answer, parser, parser.keep_alive() && !has_body);
    }

    if (lower(std::string_view(parser.get()[http::field::expect])) == "100-continue") {
      http::response<http::empty_body> go_on(http::status::continue_, 11);
      auto [continue_error, continue_bytes] = co_await http::async_write(stream_, go_on, as_result);
      if (continue_error) co_return false;
    }
    auto [body_error, body_bytes] = co_await http::async_read(stream_, buffer, parser, as_result);
    if (body_error) co_return co_await refuse(body_error);
    request.body = std::move(parser.get().body());

    stream_.expires_never();
    Response response = co_await in_pool([&] { return shared_.dispatch.run(*admission.endpoint, request); });
    if (response.feed) {
      const InStream counted(shared_);  // Until the feed is gone, too.
      co_return co_await follow(std::move(response), parser);
    }
    co_return co_await write(response, parser, parser.keep_alive() && !shared_.stopping);
  }

  /// Runs `work` in the pool of request threads and comes back to the session's own strand.
  template <class Work>
  asio::awaitable<std::invoke_result_t<Work>> in_pool(Work work) {
    using Out = std::invoke_result_t<Work>;
    co_return co_await asio::co_spawn(
        shared_.requests->get_executor(), [&work]() -> asio::awaitable<Out> { co_return work(); }, asio::use_awaitable);
  }

  static std::optional<Error> take_head(const Parser& parser, Request& request) {
    const auto& head = parser.get();
    request.method = std::string(head.method_string());
    std::string_view target = head.target();
    size_t question = target.find('?');
    request.path = target.substr(0, question);
    if (!request.path.starts_with('/')) return user_error(Code::bad_request, "the request's target must begin with /");
    for (const auto& field : head) {
      std::string name = lower(std::string_view(field.name_string()));
      auto [at, is_new] = request.headers.emplace(name, std::string_view(field.value()));
      if (!is_new &&
          (name == "host" || name == "authorization" || name == "idempotency-key" || name == "content-encoding"))
        return user_error(Code::bad_request, fmt::format("the header {} is given twice", name));
      if (!is_new) at->second += ", " + std::string(std::string_view(field.value()));
    }
    std::string_view rest = question == std::string_view::npos ? "" : target.substr(question + 1);
    while (!rest.empty()) {
      std::string_view one = rest.substr(0, rest.find('&'));
      rest.remove_prefix(std::min(one.size() + 1, rest.size()));
      if (one.empty()) continue;
      size_t equals = one.find('=');
      std::optional<std::string> name = percent_decoded(one.substr(0, equals), true);
      std::optional<std::string> value =
          percent_decoded(equals == std::string_view::npos ? "" : one.substr(equals + 1), true);
      if (!name || !value)
        return user_error(Code::bad_request, "the query has a % that is not followed by two hex digits");
      if (!request.query.emplace(*name, *value).second)
        return user_error(Code::bad_request, fmt::format("the parameter '{}' is given twice", *name));
    }
    return std::nullopt;
  }

  /// Answers what cannot be read as a request. A time-out has closed the connection already.
  asio::awaitable<bool> refuse(error_code error) {
    std::optional<Response> response;
    if (error == http::error::body_limit)
      response = error_response(
          user_error(Code::too_large, fmt::format("the body has more than {} bytes", options_.max_body_bytes))
              .with_remedy("send it in smaller parts, or set server.max_body_bytes"));
    else if (error == http::error::header_limit || error == http::error::buffer_overflow)
      response = error_response(user_error(
          Code::bad_request, fmt::format("the request's headers have more than {} bytes", options_.header_bytes_max)));
    else if (error != http::error::end_of_stream && error != http::error::partial_message &&
             error.category() == http::make_error_code(http::error::bad_method).category())
      response = error_response(user_error(Code::bad_request, "this is not an HTTP request: " + error.message()));
    if (!response) co_return false;
    shared_.dispatch.count(*response);
    Parser none;
    co_return co_await write(*response, none, false);
  }

  http::response<http::string_body> message_of(const Response& response, unsigned version) const {
    http::response<http::string_body> out(static_cast<http::status>(response.status), version);
    for (const auto& [name, value] : response.headers) out.insert(name, value);
    if (response.status != 204 && response.status != 304) out.set(http::field::content_type, response.content_type);
    out.set("X-Content-Type-Options", "nosniff");
    out.set("Referrer-Policy", "no-referrer");
    return out;
  }

  asio::awaitable<bool> write(Response& response, const Parser& parser, bool keep_alive) {
    bool is_head = parser.get().method() == http::verb::head;
    http::response<http::string_body> message = message_of(response, 11);
    size_t bytes = response.body.size();
    if (!is_head) message.body() = std::move(response.body);
    message.keep_alive(keep_alive);
    if (response.status != 204 && response.status != 304) message.content_length(bytes);
    limit(options_.request_timeout_ms);
    http::response_serializer<http::string_body> serializer(message);
    if (is_head) {
      auto [error, written] = co_await http::async_write_header(stream_, serializer, as_result);
      co_return !error && keep_alive;
    }
    auto [error, written] = co_await http::async_write(stream_, serializer, as_result);
    if (!error && !keep_alive) co_await drain();
    co_return !error && keep_alive;
  }

  /// Takes what still comes for a moment before closing: closing over unread bytes would reset the connection, and the
  /// client might never see the answer.
  asio::awaitable<void> drain() {
    constexpr int64_t drain_ms = 500;
    constexpr size_t drain_bytes_max = 4 << 20;
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    limit(drain_ms);
    std::string sink(64 << 10, '\0');
    for (size_t drained = 0; drained < drain_bytes_max;) {
      auto [error, bytes] = co_await stream_.async_read_some(asio::buffer(sink), as_result);
      if (error) break;
      drained += bytes;
    }
  }

  // ---- event streams
  // --------------------------------------------------------------------------------------------------------

  asio::awaitable<bool> follow(Response response, const Parser& parser) {
    std::weak_ptr<Session> weak = weak_from_this();
    auto wake = [weak, executor = stream_.get_executor()] {
      asio::post(executor, [weak] {
        if (auto self = weak.lock()) {
          self->woken_ = true;
          self->wake_timer_.cancel();
        }
      });
    };
    EventFeed& feed = *response.feed;
    Result<> started = co_await in_pool([&] { return feed.start(wake); });
    if (!started.ok()) {
      Response refused = error_response(started.error());
      co_return co_await write(refused, parser, parser.keep_alive());
    }
    http::response<http::string_body> head = message_of(response, 11);
    head.keep_alive(false);
    http::response_serializer<http::string_body> serializer(head);
    limit(options_.request_timeout_ms);
    auto [head_error, head_bytes] = co_await http::async_write_header(stream_, serializer, as_result);
    if (head_error) co_return false;
    in_work_ = false;  // The end need not wait for a subscriber.
    co_await send_events(feed);
    co_return false;
  }

  asio::awaitable<void> send_events(EventFeed& feed) {
    int64_t quiet_ms = 0;
    std::string text = ": connected\n\n";
    while (!shared_.stopping && !shared_.dispatch.held()) {
      if (!text.empty()) {
        limit(options_.request_timeout_ms);
        auto [error, bytes] = co_await asio::async_write(stream_, asio::buffer(text), as_result);
        if (error) co_return;
        quiet_ms = 0;
      }
      int64_t wait_ms = feed.poll_ms() > 0 ? feed.poll_ms() : options_.heartbeat_ms;
      if (!woken_) {
        wake_timer_.expires_after(std::chrono::milliseconds(wait_ms));
        auto [wait_error] = co_await wake_timer_.async_wait(as_result);
        if (!wait_error) quiet_ms += wait_ms;
      }
      woken_ = false;
      std::optional<std::string> next = co_await in_pool([&] { return feed.take(); });
      if (!next) co_return;
      text = std::move(*next);
      if (text.empty() && quiet_ms >= options_.heartbeat_ms) text = ": heartbeat\n\n";
    }
  }

  Shared& shared_;
  const ServerOptions& options_;
  Stream stream_;
  asio::steady_timer wake_timer_;
  bool woken_ = false;  ///< On the session's strand only, as the next.
  bool in_work_ = false;
};

class HttpServer final : public Server {
 public:
  HttpServer(Pipeline& pipeline, ServerOptions options) : pipeline_(pipeline), options_(std::move(options)) {}
  ~HttpServer() override { stop(); }

  Result<> open() {
    if (!options_.clock) options_.clock = &system_clock();
    HEADRACE_ASSIGN(Address address, parse_address(options_.listen));
    HEADRACE_ASSIGN(files_, StaticFiles::read(options_.web_root));
    HEADRACE_ASSIGN(api_, make_api(pipeline_));
    dispatch_ = std::make_unique<Dispatch>(*api_, *files_);
    shared_ = std::make_unique<Shared>(options_, *dispatch_);
    shared_->requests = std::make_unique<asio::thread_pool>(options_.request_threads);
    HEADRACE_TRY(listen(address));
    asio::co_spawn(shared_->io, accept(), asio::detached);
    for (int32_t i = 0; i < options_.io_threads; ++i) threads_.emplace_back([this] { shared_->io.run(); });
    log_line(LogLevel::info, "listening", {{"address", address_}});
    return {};
  }

  const std::string& address() const override { return address_; }
  uint16_t port() const override { return port_; }

  void hold() override {
    dispatch_->hold();
    std::unique_lock lock(shared_->mutex);
    for (Session* session : shared_->sessions) session->end();
    shared_->idle.wait(lock, [&] { return shared_->streams == 0; });
    api_.reset();
  }

  Result<> resume(Pipeline& pipeline, std::vector<ProjectFile> dashboards) override {
    options_.dashboards = std::move(dashboards);
    HEADRACE_ASSIGN(std::unique_ptr<Api> next, make_api(pipeline));
    dispatch_->resume(*next);
    api_ = std::move(next);
    return {};
  }

  void stop() override {
    if (!shared_ || shared_->stopping.exchange(true)) return;
    if (api_) api_->stopping = true;
    asio::post(shared_->io, [this] {
      error_code ignored;
      acceptor_->close(ignored);
    });
    {
      std::unique_lock lock(shared_->mutex);
      for (Session* session : shared_->sessions)
        session->end();  // Its destructor takes the lock first: it is still there.
      // Requests in work have their own time-outs; this one is for what none of them covers.
      shared_->idle.wait_for(lock, std::chrono::milliseconds(options_.query_timeout_ms + options_.request_timeout_ms),
                             [&] { return shared_->sessions.empty(); });
    }
    shared_->io.stop();
    for (std::thread& thread : threads_) thread.join();
    shared_->requests->join();
  }

 private:
  Result<std::unique_ptr<Api>> make_api(Pipeline& pipeline) {
    HEADRACE_ASSIGN(Address address, parse_address(options_.listen));
    HEADRACE_ASSIGN(std::unique_ptr<Access> access,
                    Access::open({options_.state_directory, address.host, options_.allowed_hosts, options_.clock}));
    HEADRACE_ASSIGN(std::unique_ptr<QueryEngine> queries, QueryEngine::open(pipeline, options_));
    return std::make_unique<Api>(pipeline, options_, std::move(access), std::move(queries));
  }

  Result<> listen(const Address& address) {
    tcp::resolver resolver(shared_->io);
    error_code error;
    auto found = resolver.resolve(address.host, std::to_string(address.port), error);
    if (error)
      return user_error(Code::bad_config,
                        fmt::format("the address {} is not known: {}", options_.listen, error.message()));
    tcp::endpoint endpoint = found.begin()->endpoint();
    acceptor_ = std::make_unique<tcp::acceptor>(shared_->io);
    acceptor_->open(endpoint.protocol(), error);
    if (!error) acceptor_->set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_->bind(endpoint, error);
    if (!error) acceptor_->listen(asio::socket_base::max_listen_connections, error);
    if (error == asio::error::address_in_use)
      return Error{Code::port_in_use,
                   Blame::environment,
                   Retry::later,
                   fmt::format("{} is taken by another program", options_.listen),
                   "stop the other program, or choose another address with --listen HOST:PORT",
                   {}};
    if (error)
      return environment_error(Code::bad_config,
                               fmt::format("cannot listen on {}: {}", options_.listen, error.message()));
    port_ = acceptor_->local_endpoint().port();
    bool is_v6 = endpoint.address().is_v6();
    address_ = fmt::format("{}{}{}:{}", is_v6 ? "[" : "", endpoint.address().to_string(), is_v6 ? "]" : "", port_);
    return {};
  }

  asio::awaitable<void> accept() {
    while (!shared_->stopping) {
      auto [error, socket] = co_await acceptor_->async_accept(asio::make_strand(shared_->io), as_result);
      if (error == asio::error::operation_aborted || shared_->stopping) co_return;
      if (error) {
        // Out of descriptors, most likely: those that are open end sooner or later.
        asio::steady_timer pause(shared_->io, std::chrono::milliseconds(100));
        co_await pause.async_wait(as_result);
        continue;
      }
      if (shared_->connections.fetch_add(1) >= options_.connections_max) {
        shared_->connections.fetch_sub(1);
        continue;  // Closed as the socket goes out of scope.
      }
      error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      std::make_shared<Session>(*shared_, std::move(socket))->start();
    }
  }

  Pipeline& pipeline_;
  ServerOptions options_;
  std::unique_ptr<StaticFiles> files_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<Dispatch> dispatch_;
  std::unique_ptr<Shared> shared_;
  std::unique_ptr<tcp::acceptor> acceptor_;
  std::vector<std::thread> threads_;
  std::string address_;
  uint16_t port_ = 0;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(Pipeline& pipeline, ServerOptions options) {
  auto out = std::make_unique<HttpServer>(pipeline, std::move(options));
  HEADRACE_TRY(out->open());
  return std::unique_ptr<Server>(std::move(out));
}

}  // namespace headrace
