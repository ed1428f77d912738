// The log: appenders queue their bytes and wait; one committer thread writes everything that waits and makes it durable
// with one fdatasync, so that a hundred appends cost as much of the disk as one.
#include "log/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <thread>

#include "base/file.h"
#include "log/segment.h"

namespace headrace {
namespace {

constexpr size_t read_bytes_min = 256 << 10;

/// An append that waits. Lives on its appender's stack.
struct Waiting {
  std::string_view bytes;
  bool done = false;
  int64_t number = 0;
  std::optional<Error> error;
};

/// Where the next record goes.
struct Tail {
  uint64_t salt = 0;
  int64_t end = 0;
  uint64_t bytes = 0;
};

class SegmentLog final : public Log {
 public:
  SegmentLog(LogOptions options, std::deque<Segment> segments, File file)
      : options_(std::move(options)),
        segments_(std::move(segments)),
        file_(std::move(file)),
        tail_{segments_.back().salt, segments_.back().end, segments_.back().bytes},
        committer_([this] { commit_loop(); }) {}

  ~SegmentLog() override {
    {
      std::lock_guard lock(mutex_);
      closing_ = true;
      queued_.notify_one();
    }
    committer_.join();
  }

  Result<int64_t> append(std::string_view bytes) override {
    if (bytes.size() > record_bytes_max)
      return user_error(Code::too_large,
                        fmt::format("a log record holds at most {} bytes; got {}", record_bytes_max, bytes.size()));
    Waiting mine{.bytes = bytes, .done = false, .number = 0, .error = std::nullopt};
    std::unique_lock lock(mutex_);
    if (broken_) return *broken_;
    int64_t size = static_cast<int64_t>(bytes.size());
    // One append always fits, however large: it could not be taken later either.
    if (pending_bytes_ > 0 && pending_bytes_ + size > options_.pending_bytes_max)
      return environment_error(Code::overloaded,
                               fmt::format("{} bytes wait for the disk of {} already; the limit is {}", pending_bytes_,
                                           options_.directory, options_.pending_bytes_max));
    pending_bytes_ += size;
    queue_.push_back(&mine);
    queued_.notify_one();
    committed_.wait(lock, [&] { return mine.done; });
    pending_bytes_ -= size;
    if (mine.error) return *std::move(mine.error);
    return mine.number;
  }

  Result<std::vector<LogRecord>> read(int64_t number, int64_t bytes_max) override {
    std::vector<LogRecord> out;
    int64_t bytes = 0;
    while (bytes < bytes_max) {
      std::optional<Segment> segment = segment_of(number);
      if (!segment) break;
      HEADRACE_TRY(read_segment(*segment, number, bytes_max, bytes, out));
      number = out.back().number + 1;
    }
    return out;
  }

  int64_t end() const override {
    std::lock_guard lock(mutex_);
    return segments_.back().end;
  }

  int64_t begin() const override {
    std::lock_guard lock(mutex_);
    return segments_.front().first;
  }

  Result<> release(int64_t number) override {
    for (;;) {
      std::string path;
      {
        std::lock_guard lock(mutex_);
        // The last segment stays: it carries the count of records on.
        if (segments_.size() < 2 || segments_.front().end > number) return {};
        path = segments_.front().path;
        segments_.pop_front();
      }
      // Oldest first, so that a crash in between leaves no gap.
      HEADRACE_TRY(remove_file(path));
    }
  }

  int64_t begin_after_release(int64_t number) const override {
    std::lock_guard lock(mutex_);
    size_t kept = 0;
    while (kept + 1 < segments_.size() && segments_[kept].end <= number) ++kept;
    return segments_[kept].first;
  }

  void on_durable(std::function<void()> wake) override {
    std::lock_guard lock(mutex_);
    wake_ = std::move(wake);
  }

  int64_t pending_bytes() const override {
    std::lock_guard lock(mutex_);
    return pending_bytes_;
  }

 private:
  /// What is known of the segment that holds durable record `number`, with the marks thinned to the one to start from.
  std::optional<Segment> segment_of(int64_t number) const {
    std::lock_guard lock(mutex_);
    for (const Segment& segment : segments_) {
      if (number < segment.first || number >= segment.end) continue;
      auto after = std::upper_bound(segment.marks.begin(), segment.marks.end(), number,
                                    [](int64_t wanted, const SegmentMark& mark) { return wanted < mark.number; });
      return Segment{.path = segment.path,
                     .salt = segment.salt,
                     .first = segment.first,
                     .end = segment.end,
                     .bytes = segment.bytes,
                     .marks = {*std::prev(after)}};
    }
    return std::nullopt;
  }

  Error damaged(const Segment& segment, int64_t number) const {
    return Error{Code::corrupt_state,
                 Blame::environment,
                 Retry::never,
                 fmt::format("record {} of the log segment {} cannot be read as it was written", number, segment.path),
                 {},
                 {}};
  }

  /// Appends records `number`.. of one segment to `out` until its end or until `bytes` reaches `bytes_max`.
  Result<> read_segment(const Segment& segment, int64_t number, int64_t bytes_max, int64_t& bytes,
                        std::vector<LogRecord>& out) const {
    HEADRACE_ASSIGN(File file, File::open(segment.path, File::Mode::read));
    uint64_t offset = segment.marks.front().offset;
    int64_t current = segment.marks.front().number;
    std::string buffer;
    uint64_t buffer_offset = offset;
    auto have = [&](uint64_t wanted) { return offset - buffer_offset + wanted <= buffer.size(); };
    auto load = [&](uint64_t wanted) -> Result<> {
      if (have(wanted)) return {};
      HEADRACE_ASSIGN(
          buffer, file.read_at(offset, std::min(std::max<uint64_t>(wanted, read_bytes_min), segment.bytes - offset)));
      buffer_offset = offset;
      if (!have(wanted)) return damaged(segment, current);
      return {};
    };
    for (; current < segment.end && bytes < bytes_max; ++current) {
      HEADRACE_TRY(load(record_header_bytes));
      RecordHeader header = read_record_header(std::string_view(buffer).substr(offset - buffer_offset));
      if (header.length > segment.bytes - offset - record_header_bytes) return damaged(segment, current);
      HEADRACE_TRY(load(record_header_bytes + header.length));
      std::string_view record =
          std::string_view(buffer).substr(offset - buffer_offset, record_header_bytes + header.length);
      if (current >= number) {
        if (header.number != current || !record_is_whole(segment.salt, header, record))
          return damaged(segment, current);
        out.push_back({current, std::string(record.substr(record_header_bytes))});
        bytes += header.length;
      }
      offset += record.size();
    }
    return {};
  }

  void commit_loop() {
    std::unique_lock lock(mutex_);
    for (;;) {
      queued_.wait(lock, [&] { return closing_ || !queue_.empty(); });
      if (queue_.empty()) return;
      std::vector<Waiting*> group(queue_.begin(), queue_.end());
      queue_.clear();
      std::optional<Error> broken = broken_;
      lock.unlock();
      if (!broken) broken = commit(group);
      lock.lock();
      if (broken) {
        broken_ = broken;
        for (Waiting* waiting : group) waiting->error = broken;
      }
      for (Waiting* waiting : group) waiting->done = true;
      committed_.notify_all();
      std::function<void()> wake = wake_;
      if (!wake) continue;
      lock.unlock();
      wake();
      lock.lock();
    }
  }

  /// Writes and syncs a group. Each append gets its number or its own error; an error given back breaks the log for
  /// good.
  std::optional<Error> commit(const std::vector<Waiting*>& group) {
    if (tail_.bytes >= static_cast<uint64_t>(options_.segment_bytes)) {
      if (Result<> rolled = roll(); !rolled.ok()) {
        for (Waiting* waiting : group) waiting->error = rolled.error();
        return std::nullopt;
      }
    }
    Tail next = tail_;
    std::vector<SegmentMark> marks;
    if (std::optional<Error> broken = write_group(group, next, marks)) return broken;
    if (next.end == tail_.end) return std::nullopt;  // Nobody's bytes went in.
    crash_point("log_append");
    if (Result<> synced = file_.sync(); !synced.ok()) {
      // After a failed sync nobody knows what is on disk; a second sync would say "fine" without having written it.
      return std::move(synced).error().with_remedy("look at the disk, then start again: what was acknowledged is kept");
    }
    crash_point("log_synced");
    tail_ = next;
    std::lock_guard lock(mutex_);
    Segment& last = segments_.back();
    last.end = next.end;
    last.bytes = next.bytes;
    for (const SegmentMark& mark : marks) last.mark(mark.number, mark.offset);
    return std::nullopt;
  }

  /// Writes the group with one call; if the disk does not take all of it, one by one, so that what fits is not refused.
  std::optional<Error> write_group(std::span<Waiting* const> group, Tail& next, std::vector<SegmentMark>& marks) {
    Tail end = next;
    std::string buffer;
    size_t marks_before = marks.size();
    for (Waiting* waiting : group) {
      waiting->number = end.end++;
      marks.push_back({waiting->number, next.bytes + buffer.size()});
      append_record(buffer, next.salt, waiting->number, tail_.end, waiting->bytes);
    }
    end.bytes += buffer.size();
    Result<> written = file_.write(buffer);
    if (written.ok()) {
      next = end;
      return std::nullopt;
    }
    marks.resize(marks_before);
    if (Result<> cut = file_.truncate(next.bytes); !cut.ok()) return std::move(cut).error();
    if (group.size() == 1) {
      group.front()->error = std::move(written).error();
      return std::nullopt;
    }
    for (size_t i = 0; i < group.size(); ++i)
      if (std::optional<Error> broken = write_group(group.subspan(i, 1), next, marks)) return broken;
    return std::nullopt;
  }

  /// Begins a new segment; if that fails, the next append tries again.
  Result<> roll() {
    HEADRACE_ASSIGN(Segment segment, create_segment(options_.directory, tail_.end));
    HEADRACE_ASSIGN(file_, File::open(segment.path, File::Mode::append));
    tail_ = Tail{segment.salt, segment.end, segment.bytes};
    std::lock_guard lock(mutex_);
    segments_.push_back(std::move(segment));
    return {};
  }

  LogOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable queued_, committed_;
  std::deque<Waiting*> queue_;
  int64_t pending_bytes_ = 0;
  std::deque<Segment> segments_;
  bool closing_ = false;
  std::optional<Error> broken_;  ///< Set once nothing can be written any more.
  std::function<void()> wake_;
  File file_;  ///< The last segment, open for appending; the committer's own.
  Tail tail_;  ///< Likewise.
  std::thread committer_;
};

/// The number in a segment's file name, or nullopt for another file.
std::optional<int64_t> number_of(std::string_view name) {
  int64_t number = 0;
  if (name.size() != 24 || name.substr(20) != ".log") return std::nullopt;
  auto [end, error] = std::from_chars(name.data(), name.data() + 20, number);
  if (error != std::errc{} || end != name.data() + 20) return std::nullopt;
  return number;
}

Result<std::deque<Segment>> recover_segments(const std::string& directory) {
  HEADRACE_ASSIGN(std::vector<std::string> names, list_directory(directory));
  std::vector<int64_t> firsts;
  for (const std::string& name : names)
    if (std::optional<int64_t> number = number_of(name)) firsts.push_back(*number);

  std::deque<Segment> out;
  for (size_t i = 0; i < firsts.size(); ++i) {
    if (!out.empty() && out.back().end != firsts[i])
      return Error{Code::corrupt_state,
                   Blame::environment,
                   Retry::never,
                   fmt::format("the log in {} has records up to {}, and its next segment begins at {}", directory,
                               out.back().end, firsts[i]),
                   "restore the state directory from a copy",
                   {}};
    HEADRACE_ASSIGN(Segment segment,
                    recover_segment(segment_path(directory, firsts[i]), firsts[i], i + 1 == firsts.size()));
    out.push_back(std::move(segment));
  }
  if (out.empty()) {
    HEADRACE_ASSIGN(Segment segment, create_segment(directory, 0));
    out.push_back(std::move(segment));
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<Log>> Log::open(const LogOptions& options) {
  HEADRACE_TRY(make_directories(options.directory));
  HEADRACE_ASSIGN(std::deque<Segment> segments, recover_segments(options.directory));
  HEADRACE_ASSIGN(File file, File::open(segments.back().path, File::Mode::append));
  return std::unique_ptr<Log>(std::make_unique<SegmentLog>(options, std::move(segments), std::move(file)));
}

Result<int64_t> first_record_kept(const std::string& directory) {
  if (!file_exists(directory)) return int64_t{0};
  HEADRACE_ASSIGN(std::vector<std::string> names, list_directory(directory));
  std::optional<int64_t> first;
  for (const std::string& name : names)
    if (std::optional<int64_t> number = number_of(name)) first = std::min(first.value_or(*number), *number);
  return first.value_or(0);
}

}  // namespace headrace
