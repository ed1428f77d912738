#include "connect/file/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "data/time_bounds.h"

namespace headrace {
namespace {

constexpr int64_t wait_us_max = 1'000'000;  // A longer wait is taken in pieces, so that a stop need not wait for it.

}  // namespace

ReplaySource::ReplaySource(const SourceContext& context, std::unique_ptr<Source> files,
                           std::unique_ptr<Decoder> decoder)
    : files_(std::move(files)),
      decoder_(std::move(decoder)),
      speed_(context.end                     ? std::numeric_limits<double>::infinity()
             : context.options->has("speed") ? context.options->real("speed")
                                             : 1.0),
      time_column_(*context.time_column),
      clock_(context.clock) {}

Result<std::unique_ptr<Source>> ReplaySource::make(const SourceContext& context, std::unique_ptr<Source> files) {
  const Options& options = *context.options;
  if (!context.time_column ||
      (*context.schema)[*context.time_column].type.InternalType() != duckdb::PhysicalType::INT64) {
    return user_error(Code::bad_config, fmt::format("source {} cannot be replayed: it has no event time", context.name))
        .with_remedy("declare a TIMESTAMP column and WATERMARK FOR it, or use mode = 'bounded'");
  }
  if (options.has("speed") && options.real("speed") <= 0) {
    return user_error(Code::bad_config, fmt::format("source {}: speed = '{}' is not a positive number", context.name,
                                                    options.text("speed")));
  }
  DecoderConfig config;
  config.format = options.text("format");
  config.schema = context.schema;
  config.declared = context.declared;
  config.key = context.key;
  config.header = options.boolean("header");
  config.delimiter = options.text("delimiter")[0];
  config.null_text = options.text("null");
  if (config.format == "parquet") config.format = "ndjson";  // Its rows come decoded; the decoder stays idle.
  config.reject_extra_fields = options.text("extra_fields") == "quarantine";
  config.null_on_error = options.text("on_error") == "null";
  HEADRACE_ASSIGN(std::unique_ptr<Decoder> decoder, make_decoder(config));
  std::unique_ptr<ReplaySource> out(new ReplaySource(context, std::move(files), std::move(decoder)));
  if (context.end) {
    HEADRACE_ASSIGN(const FilePlaces end, FilePlaces::parse(context.end->text));
    for (const FilePlace& place : end.places)
      if (place.skip > 0) out->end_ = place;
  }
  return std::unique_ptr<Source>(std::move(out));
}

Result<> ReplaySource::open(const std::optional<Position>& from) {
  if (from && !from->text.empty()) {
    HEADRACE_ASSIGN(const FilePlaces restored, FilePlaces::parse(from->text));
    for (const FilePlace& place : restored.places) {
      if (place.skip == 0) continue;
      skip_ = place.skip;
      skip_file_ = place.file;
    }
  }
  HEADRACE_TRY(files_->open(from));
  before_ = files_->position();
  return {};
}

Result<bool> ReplaySource::load() {
  while (!ended_) {
    before_ = files_->position();
    HEADRACE_ASSIGN(Polled polled, files_->poll(1));  // One byte wanted: one morsel comes.
    if (polled.morsels.empty()) {
      ended_ = polled.end_of_input;
      return false;
    }
    Morsel& morsel = polled.morsels.front();
    origin_ = morsel.origin;
    split_ = morsel.split;
    split_ends_ = morsel.ends_split;
    if (split_ends_) return false;
    decoded_ = morsel.bytes ? decoder_->decode(morsel.text(), morsel.origin, morsel.first_record) : Decoded{};
    if (!morsel.bytes) {
      decoded_.batches = std::move(morsel.rows);
      decoded_.places = std::move(morsel.places);
      decoded_.rejected = std::move(morsel.rejected);
      decoded_.records = morsel.records_read;
    }
    released_ = row_ = 0;
    batch_ = rejected_at_ = 0;
    stop_at_end();
    while (skip_ > 0 && origin_ == skip_file_ && loaded()) {
      if (next_is_rejected()) {
        ++rejected_at_;
      } else if (++row_ == decoded_.batches[batch_].rows()) {
        ++batch_;
        row_ = 0;
      }
      ++released_;
      --skip_;
    }
    if (loaded()) return true;
  }
  return false;
}

void ReplaySource::stop_at_end() {
  if (!end_ || origin_ != end_->file) return;
  const Result<FilePlaces> before = FilePlaces::parse(before_.text);
  CHECK(before.ok());
  const FilePlace* place = before->find(origin_);
  if (end_->offset != (place == nullptr ? 0 : place->offset)) return;
  decoded_.records = end_->skip;
  ended_ = true;
}

int64_t ReplaySource::wait_us() {
  if (next_is_rejected()) return 0;
  Vector& times = decoded_.batches[batch_].chunk.data[time_column_];
  if (duckdb::FlatVector::IsNull(times, static_cast<duckdb::idx_t>(row_))) return 0;
  const int64_t event_us = duckdb::FlatVector::GetDataUnsafe<int64_t>(times)[row_];
  if (!in_bounds(EventTime::from_us(event_us))) return 0;  // The intake refuses it.
  if (!first_event_us_) {
    first_event_us_ = event_us;
    first_ns_ = clock_->steady_ns();
  }
  const double due_ns = static_cast<double>(event_us - *first_event_us_) * 1000 / speed_;
  const double left_us = (due_ns - static_cast<double>(clock_->steady_ns() - first_ns_)) / 1000;
  return left_us <= 0 ? 0 : std::min(static_cast<int64_t>(left_us) + 1, wait_us_max);
}

void ReplaySource::flush_rows(Morsel& out, std::vector<uint32_t>& rows) {
  if (rows.empty()) return;
  out.rows.push_back(decoded_.batches[batch_].slice(rows));
  std::vector<RecordPlace>& places = out.places.emplace_back();
  for (uint32_t row : rows) places.push_back(decoded_.places[batch_][row]);
  rows.clear();
}

void ReplaySource::release(Morsel& out) {
  std::vector<uint32_t> rows;
  while (loaded() && wait_us() == 0) {
    ++out.records_read;
    if (next_is_rejected()) {
      out.rejected.push_back(decoded_.rejected[rejected_at_++]);
    } else {
      rows.push_back(static_cast<uint32_t>(row_));
      if (++row_ == decoded_.batches[batch_].rows()) {
        flush_rows(out, rows);
        ++batch_;
        row_ = 0;
      }
    }
    ++released_;
  }
  flush_rows(out, rows);
}

Result<Polled> ReplaySource::poll(int64_t bytes_max) {
  Polled polled;
  constexpr int64_t record_bytes = 100;  // What a released record is taken to weigh.
  int64_t bytes = 0;
  while (bytes < bytes_max) {
    if (!loaded()) {
      HEADRACE_ASSIGN(const bool more, load());
      if (std::exchange(split_ends_, false)) {
        polled.morsels.push_back(end_of_split(split_));
        continue;
      }
      if (!more) break;
    }
    Morsel morsel;
    morsel.split = split_;
    morsel.origin = origin_;
    release(morsel);
    if (morsel.records_read == 0) break;
    bytes += morsel.records_read * record_bytes;
    polled.morsels.push_back(std::move(morsel));
  }
  polled.end_of_input = ended_ && !loaded();
  polled.caught_up = polled.end_of_input;
  if (loaded()) polled.wait_us = wait_us();
  if (bytes >= bytes_max)
    for (uint32_t split = 0; split < splits(); ++split) polled.backlog.push_back(split);
  return polled;
}

Position ReplaySource::position() const {
  if (!loaded()) return files_->position();
  Result<FilePlaces> places = FilePlaces::parse(before_.text);
  CHECK(places.ok());
  bool found = false;
  for (FilePlace& place : places->places) {
    place.skip = place.file == origin_ ? released_ : 0;
    found = found || place.file == origin_;
  }
  // The morsel was the first of the next file in name order.
  if (!found) places->places = {FilePlace{origin_, 0, 1, released_}};
  return Position{places->text()};
}

}  // namespace headrace
