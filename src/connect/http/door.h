// The door of a source over the embedded log: takes a request's body, decodes and checks it, and makes rows, refused
// records, key and verdict durable in one record of the log. Its other end is the HttpSource, which reads the records
// back for the engine.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "codec/decoder.h"
#include "connect/http/keys.h"
#include "log/log.h"

namespace headrace {

struct DoorOptions {
  std::string name;               ///< The source's name.
  std::string directory;          ///< Of the log.
  SchemaRef schema;               ///< All declared columns: what is stored does not depend on what today's views read.
  std::string format = "ndjson";  ///< For bodies whose content type says nothing.
  bool reject_extra_fields = false;
  bool null_on_error = false;
  int64_t lag_bytes_max = 256 << 20;  ///< Log bytes that the source has not read yet; beyond, `overloaded`.
  int64_t segment_bytes = 64 << 20;
  int64_t retention_us = 0;  ///< > 0: records are kept so long although they are committed.
  KeyLimits keys;
  const Clock* clock = nullptr;
};

/// What a request is answered; durable when given.
struct DoorAnswer {
  int64_t accepted = 0;
  std::vector<Rejected> rejected;  ///< Of a repeated request without their bytes.
  int64_t position = 0;            ///< Source records in the log after this request.
  bool repeated = false;           ///< The key had been seen with the same body: nothing was added.
};

/// A place in a source's log.
struct LogPlace {
  int64_t number = 0;   ///< Of the log's record that comes next.
  int64_t records = 0;  ///< Source records before it, since the source was new.
  int64_t bytes = 0;    ///< Bytes of the log's records before it, since the door was opened.
};

/// Safe from any thread.
class HttpDoor {
 public:
  /// Moves rows that break the contract into `rejected`.
  using Check = std::function<Result<>(Decoded&)>;

  explicit HttpDoor(DoorOptions options) : options_(std::move(options)), keys_(options_.keys) {}

  /// Each decoder of the pool gets its own check, so that `make` may give one with scratch memory. Called before
  /// open().
  void set_check(std::function<Check()> make) { make_check_ = std::move(make); }
  /// Opens the log; from then on requests are taken. Errors: corrupt_state, io_error, bad_config (a format no decoder
  /// has).
  Result<> open(std::function<void()> wake);
  /// Takes no more requests; those under way end. `wake` is not called any more once this is back.
  void close();

  /// Takes one body, `format` = ndjson | json | "" (the source's own). Waits for the disk. An empty key means none.
  /// Errors: key_reused (never), overloaded, stopping, disk_full, io_error.
  Result<DoorAnswer> admit(std::string_view body, const std::string& format, const std::string& idempotency_key);

  // The source's side.

  Log& log() { return *log_; }
  /// Where record `number` stands; it must be in the log, or its end. Errors: corrupt_state, io_error.
  Result<LogPlace> place_of(int64_t number) const;
  /// The source has read everything below `place`.
  void consumed(const LogPlace& place);
  int64_t lag_bytes() const;
  /// The records below `number` are in a checkpoint: lets go of what nobody needs any more.
  Result<> release(int64_t number);
  const DoorOptions& options() const { return options_; }
  /// How a refused record's place is written: "http:tx#4711".
  std::string origin(int64_t record) const;

 private:
  struct Worker {
    std::map<std::string, std::unique_ptr<Decoder>> decoders;  ///< By format.
    Check check;
  };
  /// A request that is durable while one with a lower number has not been noted yet.
  struct Landed {
    RequestVerdict verdict;
    int64_t bytes = 0;
  };

  Result<> recover();
  Result<std::unique_ptr<Worker>> take_worker(const std::string& format);
  void give_back(std::unique_ptr<Worker> worker);
  /// Waits until no other request has this key under way; gives the earlier answer if there is one.
  Result<std::optional<DoorAnswer>> claim(const RequestVerdict& verdict);
  void unclaim(const RequestVerdict& verdict);
  Result<DoorAnswer> append(std::string_view body, const std::string& format, RequestVerdict verdict);
  Result<Decoded> decode(std::string_view body, const std::string& format);
  /// Waits until all lower numbers are noted, too; gives the source records before this one.
  int64_t land(int64_t number, RequestVerdict verdict, int64_t bytes);
  void note(const RequestVerdict& verdict, int64_t bytes);
  int64_t first_kept_by_retention(int64_t now_us);
  DoorAnswer answer_of(const KnownRequest& known) const;

  DoorOptions options_;
  std::function<Check()> make_check_;
  std::mutex wake_mutex_;
  std::function<void()> wake_;

  mutable std::mutex mutex_;
  std::condition_variable key_done_, landed_change_;
  bool open_ = false;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::set<Digest> keys_under_way_;
  KeyIndex keys_;
  std::map<int64_t, Landed> landed_;
  std::map<int64_t, int64_t> landed_records_;  ///< Noted, and not yet fetched by their appender: source records before.
  LogPlace end_;                               ///< After the last noted record.
  std::deque<LogPlace> marks_;  ///< Places in the log, one for every 256 records, the first at its beginning.
  int64_t bytes_consumed_ = 0;
  std::deque<std::pair<int64_t, int64_t>> arrivals_;  ///< (time, number), at most one a minute; for retention.
  std::unique_ptr<Log> log_;                          ///< Last, so that its thread ends before what it wakes goes.
};

}  // namespace headrace
