// A Source brings bytes or batches in. It is polled by the tick loop, keeps its own position, and never blocks.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "codec/decoder.h"
#include "data/batch.h"

namespace headrace {

class FunctionHost;
class Options;

/// A piece of input: either bytes that hold whole records (a shard decodes them), or rows that are ready.
struct Morsel {
  uint32_t split = 0;                        ///< Which split of the source it came from.
  std::shared_ptr<const std::string> bytes;  ///< Set: whole records, to be decoded.
  std::string_view text() const { return bytes ? std::string_view(*bytes) : std::string_view(); }
  std::vector<Batch> rows;                       ///< Set when `bytes` is not: rows that are ready.
  std::vector<std::vector<RecordPlace>> places;  ///< Beside `rows`: where their records stood; empty = not known.
  std::vector<Rejected> rejected;                ///< Records that the source itself had to refuse.
  int64_t records_read = 0;                      ///< Only with `rows`: records read = rows accepted + rejected.
  std::string origin;                            ///< "path" for bytes: a rejected record's origin becomes origin:line.
  int64_t first_record = 1;                      ///< Number of its first record in `origin` (a line number), from 1.
  bool ends_split = false;  ///< Nothing follows in its split: so the split holds time back no longer.
};

/// The piece that stands where a split ends.
inline Morsel end_of_split(uint32_t split) {
  Morsel out;
  out.split = split;
  out.ends_split = true;
  return out;
}

struct Polled {
  std::vector<Morsel> morsels;  ///< In the source's order.
  bool end_of_input = false;    ///< Nothing will come any more.
  bool caught_up = false;       ///< Position = the end that is there now (the proof of idleness).
  int64_t wait_us =
      0;  ///< > 0: poll again after so long, unless woken before. 0: woken only (or at once if there was input).
  std::vector<uint32_t> backlog;  ///< Splits that have more right now: `bytes_max` had no room for it.
};

/// Where a source stands, as text that only it understands (JSON by convention). Covers all its splits.
struct Position {
  std::string text;
};

struct SourceContext {
  std::string name;                   ///< The source's name in SQL.
  const Options* options = nullptr;   ///< Checked; valid while the source is made only: copy what you need.
  SchemaRef schema;                   ///< The columns to deliver, in order (projected: maybe fewer than declared).
  SchemaRef declared;                 ///< All declared columns.
  std::vector<size_t> key;            ///< In `schema`: the primary key, if declared.
  std::string project_directory;      ///< Relative paths start here.
  std::string state_directory;        ///< Where a source may keep files of its own (the log).
  std::optional<size_t> time_column;  ///< In `schema`: the event-time column, if declared with a watermark.
  bool until_end = false;             ///< An unbounded source ends at the end it has now.
  std::optional<Position> end;        ///< Set: it is read again, from its beginning to just here, at full speed.
  const Clock* clock = nullptr;
  FunctionHost* functions = nullptr;  ///< The project's; nullptr = none.
  std::function<void()> wake;         ///< Call from any thread when there is new input.
};

class Source {
 public:
  virtual ~Source() = default;

  /// Starts at `from`, or at the beginning. Called once, before any poll. Errors: source_unavailable, bad_config,
  /// io_error.
  virtual Result<> open(const std::optional<Position>& from) = 0;
  /// Gives up to about `bytes_max` bytes (or as many rows as make that) that are there now; never blocks.
  virtual Result<Polled> poll(int64_t bytes_max) = 0;
  /// Polls leave these splits alone, until it is called again; by split, those beyond are read. False: the source reads
  /// its splits in an order of its own.
  virtual bool pause(const std::vector<bool>&) { return false; }
  /// Number of splits known, with or without rows; may grow at a poll.
  virtual uint32_t splits() const { return 1; }
  /// What people call a split, such as its file; "" where there is but one.
  virtual std::string split_name(uint32_t) const { return {}; }
  /// The position after everything polled so far.
  virtual Position position() const = 0;
  /// Everything up to `position` is in a durable checkpoint: earlier input may be let go.
  virtual Result<> committed(const Position& position) = 0;
  /// Input that waits, in bytes, if known (for lag metrics).
  virtual std::optional<int64_t> lag_bytes() const { return std::nullopt; }
};

}  // namespace headrace
