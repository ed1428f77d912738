#include "connect/file/parquet_source.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/file.h"
#include "base/json_text.h"
#include "codec/encoder.h"

namespace headrace {
namespace {

constexpr int64_t chunks_per_morsel = 8;
constexpr int64_t row_bytes = 64;  // What a row is taken to weigh when a poll asks for bytes.

}  // namespace

ParquetSource::ParquetSource(const SourceContext& context)
    : directory_(context.project_directory),
      pattern_(path_in(directory_, context.options->text("path"))),
      split_per_file_(context.options->text("splits") == "file"),
      end_(context.end),
      schema_(context.schema) {
  for (const Field& field : schema_->fields()) columns_.push_back({field.name, field.type});
}

Result<std::unique_ptr<Source>> ParquetSource::make(const SourceContext& context) {
  if (context.options->text("mode") == "follow") {
    return user_error(Code::bad_config,
                      fmt::format("source {}: a Parquet file is complete once it is written and cannot be followed",
                                  context.name))
        .with_remedy("use mode = 'bounded' or 'replay'");
  }
  if (context.options->text("extra_fields") == "quarantine") {
    return user_error(Code::bad_config,
                      fmt::format("source {}: extra_fields = 'quarantine' is not for format = 'parquet': all rows of a "
                                  "file have the same fields",
                                  context.name))
        .with_remedy("leave extra_fields out; columns that are not declared are not read");
  }
  return std::unique_ptr<Source>(new ParquetSource(context));
}

Result<> ParquetSource::open(const std::optional<Position>& from) {
  FilePlaces restored;
  if (from && !from->text.empty()) {
    HEADRACE_ASSIGN(restored, FilePlaces::parse(from->text));
  }
  HEADRACE_ASSIGN(const std::vector<std::string> paths, glob_files(pattern_));
  if (paths.empty()) {
    return environment_error(Code::source_unavailable, fmt::format("no file matches {}", pattern_))
        .with_remedy("check the option path; it is relative to the project's directory");
  }
  for (const std::string& path : paths) {
    const std::string prefix = directory_ + "/";
    FilePlace place{path.starts_with(prefix) ? path.substr(prefix.size()) : path};
    if (!split_per_file_ && !restored.places.empty() && place.file < restored.places.front().file) continue;
    for (const FilePlace& known : restored.places) {
      if (known.file == place.file) place = known;
    }
    if (place.file == restored.turn) current_ = files_.size();
    files_.push_back({path, place, nullptr, std::nullopt});
    // Opened once for its schema: a damaged file or a type that does not fit is better known before the first row.
    HEADRACE_ASSIGN(const auto checked, ParquetReader::open(path, columns_, 0));
  }
  return end_ ? stop_at_end() : Result<>();
}

Result<> ParquetSource::stop_at_end() {
  HEADRACE_ASSIGN(const FilePlaces end, FilePlaces::parse(end_->text));
  std::erase_if(files_, [&](const ParquetFile& file) { return !end.covers(file.place.file, split_per_file_); });
  for (ParquetFile& file : files_)
    // Where replay stood within a morsel, it asks for that morsel whole.
    if (const FilePlace* place = end.find(file.place.file); place != nullptr && place->skip == 0)
      file.end = place->offset;
  return {};
}

Result<std::optional<Morsel>> ParquetSource::read(size_t index) {
  ParquetFile& file = files_[index];
  if (file.ended) return std::optional<Morsel>();
  if (!file.reader) {
    HEADRACE_ASSIGN(auto opened, ParquetReader::open(file.path, columns_, static_cast<int64_t>(file.place.offset)));
    file.reader = std::make_unique<ReadAhead>(std::move(opened));
  }
  Morsel morsel;
  morsel.split = split_per_file_ ? static_cast<uint32_t>(index) : 0;
  morsel.origin = file.place.file;
  morsel.first_record = static_cast<int64_t>(file.place.offset) + 1;
  for (int64_t chunk = 0; chunk < chunks_per_morsel && !file.ended; ++chunk) {
    HEADRACE_ASSIGN(const std::unique_ptr<DataChunk> rows, file.reader->next());
    if (!rows || rows->size() == 0) {
      file.ended = true;
      file.reader.reset();
      break;
    }
    if (file.end) rows->SetCardinality(std::min<uint64_t>(rows->size(), *file.end - file.place.offset));
    if (rows->size() == 0) break;
    const uint64_t count = rows->size();
    take(*rows, file.place.file, static_cast<int64_t>(file.place.offset), morsel);
    file.place.offset += count;
  }
  if (morsel.records_read == 0) return std::optional<Morsel>();
  file.place.skip = 0;
  return std::optional(std::move(morsel));
}

void ParquetSource::take(DataChunk& rows, const std::string& file, int64_t first_row, Morsel& morsel) const {
  std::vector<uint32_t> whole;
  const int64_t count = static_cast<int64_t>(rows.size());
  const size_t rejected_before = morsel.rejected.size();
  for (int64_t row = 0; row < count; ++row) {
    size_t column = 0;
    while (column < schema_->size() &&
           ((*schema_)[column].nullable ||
            !duckdb::FlatVector::IsNull(rows.data[column], static_cast<duckdb::idx_t>(row)))) {
      ++column;
    }
    if (column == schema_->size()) {
      whole.push_back(static_cast<uint32_t>(row));
      continue;
    }
    Rejected rejected;
    rejected.origin = fmt::format("{}:{}", file, first_row + row + 1);
    rejected.code = Code::missing_field;
    rejected.reason = fmt::format("field \"{}\" of type {} NOT NULL is null", (*schema_)[column].name,
                                  (*schema_)[column].type.ToString());
    rejected.index = morsel.records_read + row;
    rejected.bytes = "{";
    for (size_t i = 0; i < schema_->size(); ++i) {
      if (i > 0) rejected.bytes += ',';
      append_json_string(rejected.bytes, (*schema_)[i].name);
      rejected.bytes += ':';
      append_json_value(rejected.bytes, rows.data[i], row);
    }
    rejected.bytes += '}';
    morsel.rejected.push_back(std::move(rejected));
  }
  std::vector<RecordPlace> places;
  for (uint32_t row : whole) places.push_back({first_row + row + 1, morsel.records_read + row});
  morsel.records_read += count;
  if (whole.empty()) return;
  Batch batch;
  batch.schema = schema_;
  if (schema_->size() > 0) batch.chunk.Move(rows);
  batch.chunk.SetCardinality(static_cast<duckdb::idx_t>(count));
  if (morsel.rejected.size() > rejected_before) batch = batch.slice(whole);
  morsel.rows.push_back(std::move(batch));
  morsel.places.push_back(std::move(places));
}

Result<std::optional<Morsel>> ParquetSource::next_morsel() {
  for (size_t tried = 0; tried < files_.size(); ++tried) {
    const size_t file = current_;
    if (split_per_file_) current_ = (current_ + 1) % files_.size();
    if (files_[file].paused) continue;
    HEADRACE_ASSIGN(std::optional<Morsel> morsel, read(file));
    files_[file].dry = !morsel;
    if (morsel) return morsel;
    if (split_per_file_ && !end_ && !std::exchange(files_[file].end_told, true))
      return std::optional(end_of_split(static_cast<uint32_t>(file)));
    if (!split_per_file_) {
      if (current_ + 1 == files_.size()) break;
      ++current_;
    }
  }
  return std::optional<Morsel>();
}

Result<Polled> ParquetSource::poll(int64_t bytes_max) {
  Polled polled;
  for (int64_t bytes = 0; bytes < bytes_max;) {
    HEADRACE_ASSIGN(std::optional<Morsel> morsel, next_morsel());
    if (!morsel) {
      polled.end_of_input = polled.caught_up = !split_per_file_ || backlog().empty();
      break;
    }
    bytes += morsel->records_read * row_bytes;
    polled.morsels.push_back(std::move(*morsel));
  }
  if (!polled.caught_up) polled.backlog = backlog();
  read_ahead(bytes_max);
  return polled;
}

/// Of the file whose turn is next, as much as the next poll will ask for. One file at a time: there may be thousands.
void ParquetSource::read_ahead(int64_t bytes) {
  if (current_ >= files_.size() || files_[current_].paused || !files_[current_].reader) return;
  for (const ParquetFile& file : files_)
    if (file.reader && file.reader->holds_rows()) return;
  const int64_t morsel_bytes = chunks_per_morsel * rows_per_batch * row_bytes;
  files_[current_].reader->start(chunks_per_morsel * ((bytes + morsel_bytes - 1) / morsel_bytes));
}

bool ParquetSource::pause(const std::vector<bool>& splits) {
  for (size_t file = 0; file < files_.size(); ++file) files_[file].paused = file < splits.size() && splits[file];
  return true;
}

std::vector<uint32_t> ParquetSource::backlog() const {
  if (!split_per_file_) return {0};
  std::vector<uint32_t> out;
  for (uint32_t file = 0; file < files_.size(); ++file)
    if (!files_[file].dry) out.push_back(file);
  return out;
}

Position ParquetSource::position() const {
  FilePlaces out;
  if (!split_per_file_) {
    if (current_ < files_.size()) out.places.push_back(files_[current_].place);
  } else {
    for (const ParquetFile& file : files_) out.places.push_back(file.place);
    if (current_ < files_.size()) out.turn = files_[current_].place.file;
  }
  return Position{out.text()};
}

}  // namespace headrace
