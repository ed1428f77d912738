// The HTTP server: connections, limits, time-outs, and a graceful end. What is answered is in the endpoint table.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "catalog/project.h"
#include "run/pipeline.h"

namespace headrace {

/// Gives the Parquet files that make up a lake table at its newest snapshot. Errors: unknown_relation.
using LakeFiles = std::function<Result<std::vector<std::string>>(const std::string& table)>;

/// How the engine goes over to another version of its project while it serves; not set: it cannot.
struct ChangeOverDoor {
  /// Reads and checks the project as it is now, and begins; gives what will change. Errors: those of the project, and
  /// of apply_change.
  std::function<Result<std::string>(bool allow_loss)> begin;
  /// What became of it: {"state": ..., "text": ..., "error": ...}.
  std::function<std::string()> outcome;
};

struct ServerOptions {
  std::string listen = "127.0.0.1:8480";   ///< HOST:PORT, port 0 = any free one; IPv6 in brackets.
  std::string state_directory;             ///< Where tokens.json lies.
  std::string web_root;                    ///< The console's files; "" = none.
  std::vector<std::string> allowed_hosts;  ///< Further names that a Host header may have.
  std::vector<ProjectFile> dashboards;     ///< The project's dashboards/*.toml.
  LakeFiles lake_files;                    ///< Not set: there is no lake.
  ChangeOverDoor change_over;
  int64_t max_body_bytes = 16 << 20;  ///< Of a request, also after decompression.
  int64_t header_bytes_max = 16 << 10;
  int64_t connections_max = 1024;
  int64_t request_timeout_ms = 30'000;  ///< For a request to come in whole, and for an answer to be taken.
  int64_t idle_timeout_ms = 75'000;     ///< Between two requests of a connection.
  int64_t heartbeat_ms = 15'000;        ///< Of an event stream that has nothing to say.
  int64_t query_timeout_ms = 30'000;
  int64_t query_rows_max = 1'000'000;   ///< Of an answer; more is an error, not a cut.
  int64_t query_bytes_max = 256 << 20;  ///< Of an answer as text.
  int64_t query_memory_bytes = 1LL << 30;
  int64_t queries_max = 4;                ///< At one time; more get 429.
  int64_t subscriber_rows_max = 100'000;  ///< Changes that wait for a slow subscriber; beyond, it gets the view anew.
  int32_t io_threads = 2;
  int32_t request_threads = 16;  ///< Requests in work at one time; most of them wait for the disk.
  const Clock* clock = nullptr;  ///< nullptr = the machine's.
};

class Server {
 public:
  /// Listens and serves until stop(). `pipeline` outlives the server. Errors: port_in_use, bad_config, corrupt_state.
  static Result<std::unique_ptr<Server>> start(Pipeline& pipeline, ServerOptions options);
  virtual ~Server() = default;

  /// "127.0.0.1:8480": where it listens.
  virtual const std::string& address() const = 0;
  virtual uint16_t port() const = 0;
  /// Ends event streams, and tells every request to come again later (503 with Retry-After), until resume(). The
  /// pipeline may go when it returns.
  virtual void hold() = 0;
  /// Serves another pipeline, with its dashboards. Errors: as start().
  virtual Result<> resume(Pipeline& pipeline, std::vector<ProjectFile> dashboards) = 0;
  /// Takes no more connections and rows, ends the event streams, lets running requests end. Idempotent.
  virtual void stop() = 0;
};

/// The table of metrics as docs/reference/metrics.md shows it.
std::string metrics_reference();
/// The OpenAPI document, for docs and generated clients.
std::string openapi_json();

}  // namespace headrace
