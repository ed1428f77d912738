#include "connect/http/door.h"

#include <fmt/format.h>

#include <algorithm>

namespace headrace {
namespace {

constexpr int64_t scan_bytes = 4 << 20;
constexpr int64_t records_per_mark = 256;
constexpr int64_t arrival_step_us = 60'000'000;

}  // namespace

std::string HttpDoor::origin(int64_t record) const {
  return fmt::format("http:{}#{}", options_.name, record);
}

Result<> HttpDoor::open(std::function<void()> wake) {
  HEADRACE_ASSIGN(std::unique_ptr<Worker> worker, take_worker(options_.format));
  give_back(std::move(worker));
  HEADRACE_ASSIGN(log_, Log::open({.directory = options_.directory, .segment_bytes = options_.segment_bytes}));
  HEADRACE_TRY(keys_.open(options_.directory));
  HEADRACE_TRY(recover());
  wake_ = std::move(wake);
  log_->on_durable([this] {
    std::lock_guard lock(wake_mutex_);
    if (wake_) wake_();
  });
  std::lock_guard lock(mutex_);
  open_ = true;
  return {};
}

/// Counts what is in the log and learns its keys again. The count goes on from the key files, which cover all that was
/// let go.
Result<> HttpDoor::recover() {
  std::lock_guard lock(mutex_);
  int64_t begin = log_->begin();
  if (begin > keys_.saved_end())
    return Error{Code::corrupt_state,
                 Blame::environment,
                 Retry::never,
                 fmt::format("the log in {} begins at record {}, and its key files end at {}", options_.directory,
                             begin, keys_.saved_end()),
                 "restore the state directory from a copy",
                 {}};
  int64_t saved_records = 0;  // Of records whose keys were saved, but which a crash kept from being let go.
  end_ = {.number = begin, .records = 0, .bytes = 0};
  for (int64_t number = begin; number < keys_.saved_end();) {
    HEADRACE_ASSIGN(std::vector<LogRecord> part, log_->read(number, scan_bytes));
    if (part.empty()) break;
    for (const LogRecord& record : part) {
      if (record.number >= keys_.saved_end()) break;
      HEADRACE_ASSIGN(RequestVerdict verdict, decode_verdict(record.bytes));
      saved_records += verdict.records();
    }
    number = part.back().number + 1;
  }
  end_.records = keys_.saved_records() - saved_records;
  marks_.push_back(end_);
  while (end_.number < log_->end()) {
    HEADRACE_ASSIGN(std::vector<LogRecord> part, log_->read(end_.number, scan_bytes));
    for (const LogRecord& record : part) {
      HEADRACE_ASSIGN(RequestVerdict verdict, decode_verdict(record.bytes));
      note(verdict, static_cast<int64_t>(record.bytes.size()));
    }
  }
  return keys_.expire(options_.clock->now_us());
}

void HttpDoor::close() {
  {
    std::lock_guard lock(mutex_);
    open_ = false;
  }
  std::lock_guard lock(wake_mutex_);
  wake_ = nullptr;
}

Result<std::unique_ptr<HttpDoor::Worker>> HttpDoor::take_worker(const std::string& format) {
  std::unique_ptr<Worker> worker;
  {
    std::lock_guard lock(mutex_);
    if (!workers_.empty()) {
      worker = std::move(workers_.back());
      workers_.pop_back();
    }
  }
  if (!worker) {
    worker = std::make_unique<Worker>();
    if (make_check_) worker->check = make_check_();
  }
  std::unique_ptr<Decoder>& decoder = worker->decoders[format];
  if (!decoder) {
    DecoderConfig config;
    config.format = format;
    config.schema = options_.schema;
    config.declared = options_.schema;
    config.reject_extra_fields = options_.reject_extra_fields;
    config.null_on_error = options_.null_on_error;
    HEADRACE_ASSIGN(decoder, make_decoder(config));
  }
  return worker;
}

void HttpDoor::give_back(std::unique_ptr<Worker> worker) {
  std::lock_guard lock(mutex_);
  workers_.push_back(std::move(worker));
}

Result<Decoded> HttpDoor::decode(std::string_view body, const std::string& format) {
  HEADRACE_ASSIGN(std::unique_ptr<Worker> worker, take_worker(format));
  Decoded decoded = worker->decoders[format]->decode(body, "", 1);
  Result<> checked = worker->check ? worker->check(decoded) : Result<>();
  give_back(std::move(worker));
  if (!checked.ok()) return std::move(checked).error();
  return decoded;
}

DoorAnswer HttpDoor::answer_of(const KnownRequest& known) const {
  DoorAnswer out{.accepted = known.verdict.accepted, .rejected = {}, .position = known.position, .repeated = true};
  int64_t first = known.position - known.verdict.records();
  for (const Refusal& refusal : known.verdict.refused)
    out.rejected.push_back({origin(first + refusal.index), "", refusal.code, refusal.reason, refusal.index});
  return out;
}

Result<std::optional<DoorAnswer>> HttpDoor::claim(const RequestVerdict& verdict) {
  std::unique_lock lock(mutex_);
  key_done_.wait(lock, [&] { return !keys_under_way_.contains(verdict.key); });
  if (const KnownRequest* known = keys_.find(verdict.key)) {
    if (known->verdict.body == verdict.body) return std::optional(answer_of(*known));
    return user_error(Code::key_reused,
                      fmt::format("source '{}' has seen this idempotency key with another body", options_.name))
        .with_remedy("give each request a key of its own, and repeat a request with the body it had");
  }
  keys_under_way_.insert(verdict.key);
  return std::optional<DoorAnswer>();
}

void HttpDoor::unclaim(const RequestVerdict& verdict) {
  if (!verdict.has_key) return;
  std::lock_guard lock(mutex_);
  keys_under_way_.erase(verdict.key);
  key_done_.notify_all();
}

Result<DoorAnswer> HttpDoor::admit(std::string_view body, const std::string& format_given,
                                   const std::string& idempotency_key) {
  const std::string& format = format_given.empty() ? options_.format : format_given;
  RequestVerdict verdict;
  {
    std::lock_guard lock(mutex_);
    if (!open_) return environment_error(Code::stopping, fmt::format("source '{}' takes no rows now", options_.name));
    if (end_.bytes - bytes_consumed_ > options_.lag_bytes_max)
      return environment_error(
          Code::overloaded,
          fmt::format("source '{}' has {} bytes of its log still to read; the limit is lag_bytes_max = {}",
                      options_.name, end_.bytes - bytes_consumed_, options_.lag_bytes_max));
  }
  verdict.time_us = options_.clock->now_us();
  verdict.has_key = !idempotency_key.empty();
  if (verdict.has_key) {
    verdict.key = digest_of("", idempotency_key);
    verdict.body = digest_of(format, body);
    HEADRACE_ASSIGN(std::optional<DoorAnswer> earlier, claim(verdict));
    if (earlier) return *std::move(earlier);
  }
  Result<DoorAnswer> answer = append(body, format, verdict);
  unclaim(verdict);
  return answer;
}

Result<DoorAnswer> HttpDoor::append(std::string_view body, const std::string& format, RequestVerdict verdict) {
  HEADRACE_ASSIGN(Decoded decoded, decode(body, format));
  for (const Batch& batch : decoded.batches) verdict.accepted += batch.rows();
  std::sort(decoded.rejected.begin(), decoded.rejected.end(),
            [](const Rejected& a, const Rejected& b) { return a.index < b.index; });
  for (const Rejected& record : decoded.rejected) verdict.refused.push_back({record.index, record.code, record.reason});

  DoorAnswer out{
      .accepted = verdict.accepted, .rejected = std::move(decoded.rejected), .position = 0, .repeated = false};
  if (verdict.records() == 0 && !verdict.has_key) {
    std::lock_guard lock(mutex_);
    out.position = end_.records;
    return out;
  }
  HEADRACE_ASSIGN(std::string record, encode_request(verdict, *options_.schema, decoded.batches, out.rejected));
  HEADRACE_ASSIGN(int64_t number, log_->append(record));
  int64_t records = verdict.records();
  int64_t first = land(number, std::move(verdict), static_cast<int64_t>(record.size()));
  out.position = first + records;
  for (Rejected& refused : out.rejected) refused.origin = origin(first + refused.index);
  return out;
}

int64_t HttpDoor::land(int64_t number, RequestVerdict verdict, int64_t bytes) {
  std::unique_lock lock(mutex_);
  landed_[number] = Landed{std::move(verdict), bytes};
  // Everything below `number` is durable as well, and whoever appended it is on the way here.
  while (!landed_.empty() && landed_.begin()->first == end_.number) {
    Landed next = std::move(landed_.begin()->second);
    landed_.erase(landed_.begin());
    landed_records_[end_.number] = end_.records;
    note(next.verdict, next.bytes);
    landed_change_.notify_all();
  }
  landed_change_.wait(lock, [&] { return landed_records_.contains(number); });
  return landed_records_.extract(number).mapped();
}

void HttpDoor::note(const RequestVerdict& verdict, int64_t bytes) {
  int64_t number = end_.number;
  if (number - marks_.back().number >= records_per_mark) marks_.push_back(end_);
  if (options_.retention_us > 0 && (arrivals_.empty() || verdict.time_us >= arrivals_.back().first + arrival_step_us))
    arrivals_.emplace_back(verdict.time_us, number);
  end_ = {.number = number + 1, .records = end_.records + verdict.records(), .bytes = end_.bytes + bytes};
  if (number >= keys_.saved_end()) keys_.add({.number = number, .position = end_.records, .verdict = verdict});
}

Result<LogPlace> HttpDoor::place_of(int64_t number) const {
  LogPlace place;
  {
    std::lock_guard lock(mutex_);
    if (number < marks_.front().number || number > end_.number)
      return Error{Code::corrupt_state,
                   Blame::environment,
                   Retry::never,
                   fmt::format("the log of source '{}' holds records {} to {}, and the checkpoint stands at {}",
                               options_.name, marks_.front().number, end_.number, number),
                   "restore the state directory from a copy",
                   {}};
    auto after = std::upper_bound(marks_.begin(), marks_.end(), number,
                                  [](int64_t wanted, const LogPlace& mark) { return wanted < mark.number; });
    place = *std::prev(after);
    if (number == end_.number) place = end_;
  }
  while (place.number < number) {
    HEADRACE_ASSIGN(std::vector<LogRecord> part, log_->read(place.number, scan_bytes));
    for (const LogRecord& record : part) {
      if (place.number == number) break;
      HEADRACE_ASSIGN(RequestVerdict verdict, decode_verdict(record.bytes));
      place = {.number = place.number + 1,
               .records = place.records + verdict.records(),
               .bytes = place.bytes + static_cast<int64_t>(record.bytes.size())};
    }
  }
  return place;
}

void HttpDoor::consumed(const LogPlace& place) {
  std::lock_guard lock(mutex_);
  bytes_consumed_ = place.bytes;
}

int64_t HttpDoor::lag_bytes() const {
  std::lock_guard lock(mutex_);
  return end_.bytes - bytes_consumed_;
}

/// The first record that is younger than the retention; everything is kept while nothing is known to be older.
int64_t HttpDoor::first_kept_by_retention(int64_t now_us) {
  std::lock_guard lock(mutex_);
  // An entry stands for what came within a step after it.
  while (arrivals_.size() > 1 && arrivals_.front().first + arrival_step_us <= now_us - options_.retention_us)
    arrivals_.pop_front();
  return arrivals_.empty() ? marks_.front().number : arrivals_.front().second;
}

Result<> HttpDoor::release(int64_t number) {
  int64_t now_us = options_.clock->now_us();
  if (options_.retention_us > 0) number = std::min(number, first_kept_by_retention(now_us));
  int64_t begin = log_->begin_after_release(number);
  if (begin > log_->begin()) {
    HEADRACE_ASSIGN(LogPlace place, place_of(begin));
    std::lock_guard lock(mutex_);
    // Keys first: a key that was acknowledged is known as long as its limits say, whatever happens in between.
    HEADRACE_TRY(keys_.save(begin, place.records));
    while (marks_.size() > 1 && marks_[1].number <= begin) marks_.pop_front();
    marks_.front() = place;
    HEADRACE_TRY(log_->release(begin));
  }
  std::lock_guard lock(mutex_);
  return keys_.expire(now_us);
}

}  // namespace headrace
