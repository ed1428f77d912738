#include "udf/worker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <simdjson.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "base/json_text.h"
#include "duck/arrow.h"

namespace headrace {
namespace {

constexpr int64_t load_timeout_ms = 120'000;  // For imports and models of the user's file.
constexpr int64_t begin_timeout_ms = 30'000;  // For a process that waits for a core, or has stopped itself.
constexpr int32_t immediate_restarts = 16;    // As many as bisecting a full batch to its one bad row may take.
constexpr int64_t restart_wait_ms_max = 250;
constexpr int64_t look_at_state_ms = 100;  // How long a lost ring may delay an answer.
constexpr int64_t last_breath_ms = 100;    // From the closing of a dying process's socket to its end.

int64_t now_ns() {
  return system_clock().steady_ns();
}

/// What a worker tells of itself, written anew: it may have written anything.
std::string read_report(const std::string& report) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  simdjson::dom::array types;
  simdjson::dom::object gauges;
  if (parser.parse(report).get(document) != simdjson::SUCCESS || document["growing"].get(types) != simdjson::SUCCESS ||
      document["gauges"].get(gauges) != simdjson::SUCCESS)
    return "";
  std::string growing, measured;
  for (simdjson::dom::element type : types) {
    std::string_view name;
    int64_t bytes = 0, objects = 0;
    if (type["type"].get(name) != simdjson::SUCCESS || type["bytes"].get(bytes) != simdjson::SUCCESS ||
        type["objects"].get(objects) != simdjson::SUCCESS)
      continue;
    growing += fmt::format(R"({}{{"type":{},"bytes":{},"objects":{}}})", growing.empty() ? "" : ",", json_string(name),
                           bytes, objects);
  }
  for (auto [name, value] : gauges) {
    double number = 0;
    if (value.get(number) != simdjson::SUCCESS) continue;
    measured += fmt::format("{}{}:{}", measured.empty() ? "" : ",", json_string(name), number);
  }
  return fmt::format(R"("growing":[{}],"gauges":{{{}}})", growing, measured);
}

bool is_readable(int descriptor) {
  pollfd entry{descriptor, POLLIN, 0};
  return ::poll(&entry, 1, 0) > 0;
}

}  // namespace

Result<Segment> Segment::make() {
  Descriptor descriptor(::memfd_create("headrace-worker", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!descriptor.is_open()) return errno_error("memfd_create", errno);
  if (::ftruncate(descriptor.number(), segment_bytes) != 0) return errno_error("size shared memory", errno);
  if (::fcntl(descriptor.number(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return errno_error("seal shared memory", errno);
  void* memory = ::mmap(nullptr, segment_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.number(), 0);
  if (memory == MAP_FAILED) return errno_error("map shared memory", errno);
  Segment segment(std::move(descriptor), static_cast<std::byte*>(memory));
  segment.header().magic = SegmentHeader::magic_value;
  return segment;
}

Segment::Segment(Segment&& other) noexcept
    : descriptor_(std::move(other.descriptor_)), memory_(std::exchange(other.memory_, nullptr)) {}

Segment& Segment::operator=(Segment&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(memory_, other.memory_);
  return *this;
}

Segment::~Segment() {
  if (memory_ != nullptr) ::munmap(memory_, segment_bytes);
}

Result<> Worker::call(DataChunk& arguments, int64_t first, int64_t rows, Vector& result) {
  HEADRACE_ASSIGN(Fit fit, attempt_again(arguments, first, rows, &result));
  if (fit == Fit::fits) return {};
  if (rows == 1)
    return user_error(Code::function_result, fmt::format("{}: one row's arguments or result need more than {} MiB",
                                                         function_.name, result_bytes >> 20));
  HEADRACE_TRY(call(arguments, first, rows / 2, result));
  return call(arguments, first + rows / 2, rows - rows / 2, result);
}

Result<std::optional<Worker::RowFailure>> Worker::first_failure(DataChunk& arguments, int64_t first, int64_t rows) {
  Result<Fit> outcome = attempt_again(arguments, first, rows, nullptr);
  for (; !outcome.ok(); outcome = attempt_again(arguments, first, rows, nullptr)) {
    if (outcome.error().blame != Blame::user || outcome.error().code == Code::function_load) return outcome.error();
    if (row_ >= rows) return std::optional<RowFailure>();  // It came through all rows, and failed then.
    const int64_t row = first + row_;
    if (rows == 1 || !died_used_) return std::optional(RowFailure{row, std::move(outcome).error()});
    HEADRACE_ASSIGN(std::optional<RowFailure> found, first_failure(arguments, row, 1));
    if (found) return found;
    rows -= row + 1 - first;
    first = row + 1;
    if (rows == 0) return std::optional<RowFailure>();
  }
  if (*outcome == Fit::fits || rows == 1) return std::optional<RowFailure>();
  HEADRACE_ASSIGN(std::optional<RowFailure> found, first_failure(arguments, first, rows / 2));
  if (found) return found;
  return first_failure(arguments, first + rows / 2, rows - rows / 2);
}

Result<Worker::Fit> Worker::attempt_again(DataChunk& arguments, int64_t first, int64_t rows, Vector* result) {
  Result<Fit> outcome = attempt(arguments, first, rows, result);
  if (!outcome.ok() && (died_unasked_ || (died_used_ && rows == 1))) outcome = attempt(arguments, first, rows, result);
  return outcome;
}

Result<Worker::Fit> Worker::attempt(DataChunk& arguments, int64_t first, int64_t rows, Vector* result) {
  died_unasked_ = died_used_ = false;
  row_ = 0;
  rows_one_by_one_ = result == nullptr ? static_cast<uint32_t>(rows) : 0;
  HEADRACE_TRY(ensure_running());
  HEADRACE_ASSIGN(Fit fit, send(arguments, first, rows, result == nullptr));
  if (fit == Fit::too_large) return fit;
  HEADRACE_ASSIGN(SlotState state, await_state(SlotState::result, SlotState::error, budgets_.timeout_ms));
  return receive(state, first, rows, result);
}

Result<> Worker::ensure_running() {
  if (segment_ && is_readable(forked_.death.number())) end();  // It died between two calls; nobody was hurt.
  if (segment_) return {};
  const int64_t started_ns = now_ns();
  if (deaths_in_a_row_ > immediate_restarts) {
    int64_t wait_ms = std::min(restart_wait_ms_max, int64_t{10} << std::min(deaths_in_a_row_ - immediate_restarts, 5));
    ::poll(nullptr, 0, static_cast<int>(wait_ms));
  }
  HEADRACE_ASSIGN(Segment segment, Segment::make());
  HEADRACE_ASSIGN(ChannelPair pair, ChannelPair::make());
  HEADRACE_ASSIGN(forked_, parent_.fork_worker(function_, budgets_.memory_bytes,
                                               {pair.theirs.number(), segment.descriptor(), output_}));
  segment_.emplace(std::move(segment));
  channel_ = std::move(pair.ours);
  generation_ = 0;
  looks_ = reports_ = 0;
  slope_.clear();
  ++starts_;
  HEADRACE_TRY(await_loaded());
  back_us_max_ = std::max(back_us_max_.load(), (now_ns() - started_ns) / 1'000);
  return {};
}

Result<> Worker::await_loaded() {
  // A worker that cannot load its function writes the reason where a result would be.
  segment_->header().engine.result_start = result_at;
  segment_->header().engine.result_bytes = result_bytes;
  HEADRACE_ASSIGN(SlotState state, await_state(SlotState::free, SlotState::error, load_timeout_ms));
  if (state == SlotState::free) return {};
  Error error = user_error(Code::function_load, error_text(segment_->header().worker.error_bytes));
  ++deaths_in_a_row_;
  end();
  return error;
}

Result<Worker::Fit> Worker::send(DataChunk& arguments, int64_t first, int64_t rows, bool one_by_one) {
  SegmentHeader& header = segment_->header();
  spans_.clear();
  ArrowWriter writer(segment_->bytes().subspan(0, result_at).subspan(arguments_at));
  for (Vector& column : arguments.data) {
    HEADRACE_ASSIGN(bool fits, writer.write(column, first, rows, spans_));
    if (!fits) return Fit::too_large;
  }
  for (ArrowSpan& span : spans_) span.offset += span.bytes > 0 || span.offset > 0 ? arguments_at : 0;
  std::ranges::copy(std::as_bytes(std::span(spans_)), segment_->bytes().data() + argument_spans_at);
  request_ = {.generation = ++generation_,
              .rows = static_cast<uint32_t>(rows),
              .argument_spans = static_cast<uint32_t>(spans_.size()),
              .one_by_one = one_by_one ? 1U : 0U,
              .result_start = result_at,
              .result_bytes = result_bytes};
  header.engine = request_;
  header.row.store(0, std::memory_order_relaxed);
  header.state.store(uint32_t(SlotState::request), std::memory_order_seq_cst);
  if (header.worker_sleeps.exchange(0, std::memory_order_seq_cst) != 0) ring();
  return Fit::fits;
}

void Worker::ring() {
  ::send(channel_.number(), "!", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

Result<SlotState> Worker::await_state(SlotState a, SlotState b, int64_t timeout_ms) {
  SegmentHeader& header = segment_->header();
  auto reached = [&] {
    auto state = SlotState(header.state.load(std::memory_order_acquire));
    return state == a || state == b;
  };
  const int64_t started_ns = now_ns();
  int64_t deadline_ns = started_ns + timeout_ms * 1'000'000;
  const int64_t begin_deadline_ns = started_ns + begin_timeout_ms * 1'000'000;
  bool answered = spin_.wait(reached);
  while (!answered) {
    header.engine_sleeps.store(1, std::memory_order_seq_cst);
    if (SlotState state = SlotState(header.state.load(std::memory_order_seq_cst)); state == a || state == b) break;
    const bool alive = sleep_until_ring(deadline_ns);
    answered = reached();  // Also after a death: its last answer counts.
    if (answered) break;
    if (!alive) return died();
    const SlotState state = SlotState(header.state.load(std::memory_order_acquire));
    if (state > SlotState::error) return spoiled("its state");
    if (state == SlotState::request && now_ns() < begin_deadline_ns)
      deadline_ns = now_ns() + timeout_ms * 1'000'000;  // Its time starts when the machine lets it begin.
    if (now_ns() >= deadline_ns) {
      if (const uint32_t row = header.row.load(std::memory_order_relaxed); row > row_ && row < rows_one_by_one_) {
        row_ = row;  // It has come further, and each row has the whole time.
        deadline_ns = now_ns() + timeout_ms * 1'000'000;
        continue;
      }
      note_row();
      ++deaths_in_a_row_;
      end();
      return Error{Code::function_timeout, Blame::user, Retry::never,
                   fmt::format("{} ran for more than {} ms and was killed", function_.name, timeout_ms),
                   "raise timeout= of the function, or make it quicker"};
    }
  }
  header.engine_sleeps.store(0, std::memory_order_relaxed);
  spin_.learn(now_ns() - started_ns);
  return SlotState(header.state.load(std::memory_order_acquire));
}

/// Sleeps until the worker rings, ends (false), or the time is over.
bool Worker::sleep_until_ring(int64_t deadline_ns) {
  const int64_t left_ms = std::clamp<int64_t>((deadline_ns - now_ns()) / 1'000'000 + 1, 0, look_at_state_ms);
  pollfd entries[] = {{channel_.number(), POLLIN, 0}, {forked_.death.number(), POLLIN, 0}};
  if (::poll(entries, 2, static_cast<int>(left_ms)) <= 0) return true;
  if (entries[0].revents != 0) {
    char bell[64];
    if (::recv(channel_.number(), bell, sizeof bell, MSG_DONTWAIT) == 0) return false;
  }
  return entries[1].revents == 0;
}

Result<Worker::Fit> Worker::receive(SlotState state, int64_t first, int64_t rows, Vector* result) {
  SegmentHeader& header = segment_->header();
  SegmentHeader::WorkerFields answer;
  std::memcpy(&answer, &header.worker, sizeof answer);
  note_row();
  if (answer.generation != generation_) return spoiled("the number of the call");
  if (state != SlotState::result && state != SlotState::error) return spoiled("its state");
  if (!request_stands()) return spoiled("what it was asked");
  header.state.store(uint32_t(SlotState::free), std::memory_order_relaxed);
  busy_us_ +=
      static_cast<int64_t>(std::min<uint64_t>(answer.busy_ns, uint64_t(budgets_.timeout_ms) * 1'000'000) / 1'000);
  resident_bytes_ = static_cast<int64_t>(std::min<uint64_t>(answer.resident_bytes, INT64_MAX));
  if (answer.looks != looks_) note_memory(answer);
  deaths_in_a_row_ = 0;
  Result<Fit> fit = take_over(state, answer, first, rows, result);
  if (answer.ends != 0) end();
  return fit;
}

Result<Worker::Fit> Worker::take_over(SlotState state, const SegmentHeader::WorkerFields& answer, int64_t first,
                                      int64_t rows, Vector* result) {
  if (state == SlotState::error && answer.error_code == error_result_too_large) return Fit::too_large;
  if (state == SlotState::error) {
    const Code code =
        answer.error_code == uint32_t(Code::function_result) ? Code::function_result : Code::function_raised;
    return user_error(code, error_text(answer.error_bytes));
  }
  if (result == nullptr) return Fit::fits;
  if (answer.result_spans != arrow_span_count(result_)) return spoiled("the layout of its result");
  std::vector<ArrowSpan> spans(answer.result_spans);
  std::memcpy(spans.data(), segment_->bytes().data() + result_spans_at, spans.size() * sizeof(ArrowSpan));
  if (auto read = read_arrow(segment_->bytes(), spans, rows, *result, first); !read.ok()) {
    Error error = std::move(read).error();
    error.message = fmt::format("{}: {}", function_.name, error.message);
    if (rows == 1 && generation_ > 1) end_failed();  // Another row's thread may have written there.
    return error;
  }
  return Fit::fits;
}

std::string Worker::error_text(uint32_t bytes) {
  return valid_utf8(
      {reinterpret_cast<const char*>(segment_->bytes().data() + result_at), std::min<size_t>(bytes, 16'384)});
}

/// Where the worker stands in a request that goes row by row.
void Worker::note_row() {
  row_ = segment_->header().row.load(std::memory_order_acquire);
}

/// The worker has measured its memory since the last call, and perhaps told more of itself.
void Worker::note_memory(const SegmentHeader::WorkerFields& answer) {
  looks_ = answer.looks;
  slope_.add(generation_, static_cast<double>(answer.resident_bytes));
  leak_ = slope_.bytes_per_call();
  if (answer.reports == reports_) return;
  reports_ = answer.reports;
  uint32_t size = 0;
  std::memcpy(&size, segment_->bytes().data() + report_at, sizeof size);
  const std::string report(reinterpret_cast<const char*>(segment_->bytes().data() + report_at + sizeof size),
                           std::min<size_t>(size, report_bytes - sizeof size));
  std::string text = read_report(report);
  std::lock_guard lock(report_mutex_);
  report_ = std::move(text);
}

std::string Worker::report() const {
  std::lock_guard lock(report_mutex_);
  return report_;
}

Error Worker::died() {
  died_unasked_ = segment_->header().state.load(std::memory_order_acquire) == uint32_t(SlotState::request);
  // The socket closes a moment before the process is gone; or the function has closed it, and the process lives on.
  pollfd entry{forked_.death.number(), POLLIN, 0};
  ::poll(&entry, 1, last_breath_ms);
  std::string how = "it closed its connection to the engine, and was killed";
  if (is_readable(forked_.death.number())) {
    if (auto status = parent_.reap(forked_)) how = status->text();
    forked_.pid = -1;
  }
  end_failed();
  return user_error(Code::function_died, fmt::format("the process of {} ended during a call: {}", function_.name, how));
}

Error Worker::spoiled(const char* what) {
  end_failed();
  return user_error(
      Code::function_died,
      fmt::format("{} wrote over the memory it shares with the engine ({}) and was killed", function_.name, what));
}

void Worker::end_failed() {
  note_row();
  died_used_ = generation_ > 1 || row_ > 0;
  ++deaths_in_a_row_;
  end();
}

bool Worker::request_stands() {
  const std::span<const std::byte> spans = std::as_bytes(std::span(spans_));
  return std::memcmp(&segment_->header().engine, &request_, sizeof request_) == 0 &&
         std::ranges::equal(spans, segment_->bytes().subspan(argument_spans_at, spans.size()));
}

void Worker::end() {
  if (!segment_) return;
  if (forked_.pid > 0) parent_.kill(forked_);
  forked_ = {};
  channel_.close();
  segment_.reset();
  resident_bytes_ = 0;
}

}  // namespace headrace
