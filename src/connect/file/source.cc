#include "connect/file/source.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "base/file.h"
#include "base/json_text.h"
#include "codec/csv.h"

namespace headrace {
namespace {

constexpr size_t morsel_bytes = 512 * 1024;
/// A longer record is cut at its first line end and so becomes a broken one: an open quote must not hold a whole file
/// in memory.
constexpr size_t record_bytes_max = 64 * 1024 * 1024;

Error not_a_position(const std::string& text) {
  return Error{
      Code::corrupt_state, Blame::environment, Retry::never, "not a position of a file source: " + text, {}, {}};
}

}  // namespace

std::string path_in(const std::string& directory, const std::string& path) {
  return path.starts_with('/') || directory.empty() ? path : directory + "/" + path;
}

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

std::string FilePlaces::text() const {
  std::string out = "{\"files\":[";
  for (const FilePlace& place : places) {
    if (&place != &places.front()) out += ',';
    out += fmt::format("{{\"file\":{},\"offset\":{},\"line\":{},\"skip\":{},\"done\":{}}}", json_string(place.file),
                       place.offset, place.line, place.skip, place.done);
  }
  return out + "],\"turn\":" + json_string(turn) + "}";
}

const FilePlace* FilePlaces::find(const std::string& file) const {
  for (const FilePlace& place : places)
    if (place.file == file) return &place;
  return nullptr;
}

bool FilePlaces::covers(const std::string& file, bool split_per_file) const {
  if (split_per_file || places.empty()) return find(file) != nullptr;
  return file <= places.front().file;
}

Result<FilePlaces> FilePlaces::parse(const std::string& position) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  simdjson::dom::array files;
  if (parser.parse(position).get(object) || object["files"].get(files)) return not_a_position(position);
  FilePlaces out;
  std::string_view text;
  if (object["turn"].get(text)) return not_a_position(position);
  out.turn = text;
  for (simdjson::dom::element file : files) {
    FilePlace place;
    if (file["file"].get(text) || file["offset"].get(place.offset) || file["line"].get(place.line) ||
        file["skip"].get(place.skip) || file["done"].get(place.done)) {
      return not_a_position(position);
    }
    place.file = text;
    out.places.push_back(std::move(place));
  }
  return out;
}

// ----------------------------------------------------------------------------------------------------------------
// FileCutter

Result<> FileCutter::open() {
  HEADRACE_ASSIGN(input_, open_file_input(path_, place_.offset));
  read_offset_ = place_.offset;
  if (!format_.header || place_.offset == 0 || header_taken_) return {};
  // Reading goes on in the middle of a file whose header is needed all the same.
  FileCutter beginning(path_, FilePlace{place_.file}, format_);
  HEADRACE_ASSIGN(beginning.input_, open_file_input(path_, 0));
  HEADRACE_ASSIGN(header_taken_, beginning.take_header(true));
  header_ = beginning.header_;
  waiting_ = header_;
  return {};
}

Result<> FileCutter::fill(size_t bytes) {
  if (end_offset_) bytes = std::min<uint64_t>(bytes, *end_offset_ - std::min(*end_offset_, read_offset_));
  const size_t before = waiting_.size();
  if (bytes > 0) HEADRACE_TRY(input_->read(waiting_, bytes));
  read_offset_ += waiting_.size() - before;
  return {};
}

Result<bool> FileCutter::take_header(bool at_end) {
  while (true) {
    const size_t mark = waiting_.starts_with(byte_order_mark) ? byte_order_mark.size() : 0;
    size_t end = end_of_first_record(format_.framing, std::string_view(waiting_).substr(mark));
    const size_t before = waiting_.size();
    if (end == std::string::npos) {
      HEADRACE_TRY(fill(morsel_bytes));
      if (waiting_.size() > before && waiting_.size() < record_bytes_max) continue;
      if (!at_end || waiting_.empty()) return false;
      waiting_ += '\n';  // A file that is nothing but a header without a line end.
      ++read_offset_;
      continue;
    }
    end += mark;
    header_ = waiting_.substr(0, end);
    HEADRACE_TRY(check_header(header_));
    place_.offset = end;
    place_.line = 1 + count_lines(header_);
    header_taken_ = true;
    return true;
  }
}

Result<> FileCutter::check_header(std::string_view header) const {
  if (header.starts_with(byte_order_mark)) header.remove_prefix(byte_order_mark.size());
  std::vector<std::string> names, missing, declared;
  if (!split_csv_record(header, format_.framing.delimiter, names)) {
    return user_error(Code::bad_config, fmt::format("{}: the header is not a csv record", place_.file));
  }
  for (const Field& field : format_.declared->fields()) {
    declared.push_back(field.name);
    const bool found =
        std::any_of(names.begin(), names.end(), [&](const std::string& name) { return same_name(name, field.name); });
    if (!found) missing.push_back(field.name);
  }
  if (missing.empty()) return {};
  return user_error(Code::bad_config,
                    fmt::format("{}: the header lacks {}; it has ({}), the declared columns are ({})", place_.file,
                                fmt::join(missing, ", "), fmt::join(names, ", "), fmt::join(declared, ", ")))
      .with_remedy("name the columns as the header does, or set header = 'false' when the file has none");
}

Morsel FileCutter::cut(size_t length) {
  Morsel morsel;
  morsel.origin = place_.file;
  morsel.first_record = place_.line;
  const std::string_view records = std::string_view(waiting_).substr(header_.size(), length - header_.size());
  place_.offset += records.size();
  place_.skip = 0;
  place_.line += count_lines(records);
  std::string rest = header_;
  rest.append(waiting_, length, std::string::npos);
  waiting_.resize(length);
  morsel.bytes = std::make_shared<const std::string>(std::move(waiting_));
  waiting_ = std::move(rest);
  return morsel;
}

Morsel FileCutter::broken_off() {
  Morsel morsel;
  morsel.origin = place_.file;
  morsel.first_record = place_.line;
  morsel.records_read = 1;
  Rejected rejected;
  rejected.origin = fmt::format("{}:{}", place_.file, place_.line);
  rejected.bytes = waiting_.substr(std::min(header_.size(), waiting_.size()));
  rejected.code = Code::truncated_input;
  rejected.reason = input_->fault();
  morsel.rejected.push_back(std::move(rejected));
  waiting_.clear();
  place_.done = true;
  return morsel;
}

Result<std::optional<Morsel>> FileCutter::next(bool at_end) {
  if (place_.done) return std::optional<Morsel>();
  if (!input_) HEADRACE_TRY(open());
  if (format_.header && !header_taken_) {
    HEADRACE_ASSIGN(const bool taken, take_header(at_end));
    if (!taken && input_->fault().empty()) return std::optional<Morsel>();
  }
  if (!format_.header && place_.offset == 0 && waiting_.empty()) {
    HEADRACE_TRY(fill(morsel_bytes));
    if (waiting_.starts_with(byte_order_mark)) {
      waiting_.erase(0, byte_order_mark.size());
      place_.offset = byte_order_mark.size();
    }
  }
  // A morsel ends with the last record in the next so many bytes: where it ends follows from where it begins, also
  // after a restart.
  for (size_t bytes = morsel_bytes;; bytes += morsel_bytes) {
    const size_t before = waiting_.size();
    const size_t left = before - header_.size();
    if (left < bytes) HEADRACE_TRY(fill(bytes - left));
    const std::string_view records = std::string_view(waiting_).substr(header_.size());
    const size_t whole = end_of_last_record(format_.framing, records);
    if (whole > 0) return std::optional(cut(header_.size() + whole));
    if (waiting_.size() == before) {  // No whole record, and nothing more to read.
      if (!input_->fault().empty()) return std::optional(broken_off());
      if (records.empty() || !at_end) return std::optional<Morsel>();
      return std::optional(cut(waiting_.size()));
    }
    if (records.size() >= record_bytes_max) {
      const size_t line = records.find('\n');
      return std::optional(cut(line == std::string::npos ? waiting_.size() : header_.size() + line + 1));
    }
  }
}

Result<> FileCutter::check_unchanged() const {
  if (!input_ || place_.done) return {};
  const Result<uint64_t> identity = file_identity(path_);
  const std::string fault = input_->shrunk();
  if (identity.ok() && *identity == input_->identity() && fault.empty()) return {};
  return environment_error(
             Code::source_unavailable,
             fault.empty() ? fmt::format("{} was replaced or removed while it was followed", place_.file) : fault)
      .with_remedy(
          "let the path be a glob that the rotated files match as well, in name order, and start with a new state "
          "directory");
}

std::optional<uint64_t> FileCutter::bytes_left() const {
  if (!input_) return std::nullopt;
  const std::optional<uint64_t> unread = input_->bytes_left();
  if (!unread) return std::nullopt;
  return *unread + waiting_.size() - std::min(header_.size(), waiting_.size());
}

// ----------------------------------------------------------------------------------------------------------------
// FileSource

FileSource::FileSource(const SourceContext& context)
    : directory_(context.project_directory),
      pattern_(path_in(directory_, context.options->text("path"))),
      split_per_file_(context.options->text("splits") == "file"),
      growing_(context.options->text("mode") == "follow" && !context.until_end && !context.end),
      stops_at_end_of_now_(context.options->text("mode") == "follow" && context.until_end && !context.end),
      end_(context.end),
      poll_wait_us_(context.options->duration_ms("poll_wait_ms") * 1000),
      wake_(context.wake) {
  format_.name = context.options->text("format");
  format_.framing = Framing{format_.name == "csv", context.options->text("delimiter")[0]};
  format_.header = format_.framing.csv && context.options->boolean("header");
  format_.declared = context.declared;
}

Result<std::unique_ptr<Source>> FileSource::make(const SourceContext& context) {
  return std::unique_ptr<Source>(new FileSource(context));
}

std::string FileSource::name_of(const std::string& path) const {
  const std::string prefix = directory_ + "/";
  return path.starts_with(prefix) ? path.substr(prefix.size()) : path;
}

Result<> FileSource::find_files(const FilePlaces& restored) {
  HEADRACE_ASSIGN(const std::vector<std::string> paths, glob_files(pattern_));
  const std::string last = files_.empty() ? "" : files_.back()->place().file;
  for (const std::string& path : paths) {
    FilePlace place{name_of(path)};
    const auto known = [&](const auto& file) { return file->place().file == place.file; };
    if (std::any_of(files_.begin(), files_.end(), known)) continue;
    const auto found = std::find_if(restored.places.begin(), restored.places.end(),
                                    [&](const FilePlace& p) { return p.file == place.file; });
    if (found != restored.places.end()) place = *found;
    // One split is read in name order: what sorts before the file being read is behind us.
    if (!split_per_file_ && place.file < last) continue;
    if (!split_per_file_ && !restored.places.empty() && place.file < restored.places.front().file) continue;
    files_.push_back(std::make_unique<FileCutter>(path, place, format_));
    ended_.push_back(false);
    dry_.push_back(false);
    if (watch_) watch_->add(directory_of(path));
    if (stops_at_end_of_now_) {
      HEADRACE_ASSIGN(File file, File::open(path, File::Mode::read));
      HEADRACE_ASSIGN(const std::string magic, file.read_at(0, 2));
      HEADRACE_ASSIGN(const uint64_t size, file.size());
      if (magic != "\x1f\x8b") files_.back()->stop_at(size);
    }
  }
  return {};
}

Result<> FileSource::open(const std::optional<Position>& from) {
  if (growing_ && wake_) watch_ = std::make_unique<FolderWatch>(wake_);
  FilePlaces restored;
  if (from && !from->text.empty()) {
    HEADRACE_ASSIGN(restored, FilePlaces::parse(from->text));
  }
  HEADRACE_TRY(find_files(restored));
  for (const FilePlace& place : restored.places) {
    const auto found =
        std::find_if(files_.begin(), files_.end(), [&](const auto& file) { return file->place().file == place.file; });
    if (found != files_.end()) continue;
    return environment_error(Code::source_unavailable,
                             fmt::format("{} is gone, and {} bytes were read from it before", place.file, place.offset))
        .with_remedy("put the file back, or start with a new state directory");
  }
  if (files_.empty()) {
    return environment_error(Code::source_unavailable, fmt::format("no file matches {}", pattern_))
        .with_remedy("check the option path; it is relative to the project's directory");
  }
  for (size_t file = 0; file < files_.size(); ++file) {
    if (split_per_file_ && files_[file]->place().file == restored.turn) current_ = file;
  }
  return end_ ? stop_at_end() : Result<>();
}

Result<> FileSource::stop_at_end() {
  HEADRACE_ASSIGN(const FilePlaces end, FilePlaces::parse(end_->text));
  std::erase_if(files_, [&](const auto& file) { return !end.covers(file->place().file, split_per_file_); });
  for (const auto& file : files_)
    // Where replay stood within a morsel, it asks for that morsel whole.
    if (const FilePlace* place = end.find(file->place().file); place != nullptr && place->skip == 0 && !place->done)
      file->stop_at(place->offset);
  return {};
}

Result<Past> past_of_files(const SourceContext& context) {
  HEADRACE_ASSIGN(const FilePlaces end, FilePlaces::parse(context.end->text));
  for (const FilePlace& place : end.places) {
    if (!file_exists(path_in(context.project_directory, place.file)))
      return Past{Past::Kept::none, place.file + " is gone"};
    if (place.skip > 0 && end.places.size() > 1)
      return Past{Past::Kept::none, "its replay stands within several files"};
  }
  return Past{Past::Kept::all, ""};
}

Result<std::optional<Morsel>> FileSource::next_morsel() {
  if (split_per_file_) return next_of_all_splits();
  while (true) {
    const bool final = is_final(current_);
    HEADRACE_ASSIGN(std::optional<Morsel> morsel, files_[current_]->next(final));
    if (morsel || !final || current_ + 1 == files_.size()) return morsel;
    files_[current_++]->close();
  }
}

Result<std::optional<Morsel>> FileSource::next_of_all_splits() {
  for (size_t tried = 0; tried < files_.size(); ++tried) {
    const size_t file = current_;
    current_ = (current_ + 1) % files_.size();
    if (is_paused(file)) continue;
    HEADRACE_ASSIGN(std::optional<Morsel> morsel, files_[file]->next(is_final(file)));
    dry_[file] = !morsel;
    if (!morsel && !growing_ && !stops_at_end_of_now_ && !end_ && !ended_[file]) {
      ended_[file] = true;
      return std::optional(end_of_split(static_cast<uint32_t>(file)));
    }
    if (morsel) {
      morsel->split = static_cast<uint32_t>(file);
      return morsel;
    }
  }
  return std::optional<Morsel>();
}

Result<Polled> FileSource::poll(int64_t bytes_max) {
  Polled polled;
  for (int64_t bytes = 0; bytes < bytes_max;) {
    HEADRACE_ASSIGN(std::optional<Morsel> morsel, next_morsel());
    if (!morsel) {
      polled.caught_up = !split_per_file_ || backlog().empty();
      break;
    }
    bytes += static_cast<int64_t>(morsel->text().size()) + 1;
    polled.morsels.push_back(std::move(*morsel));
  }
  if (!polled.caught_up) {
    polled.backlog = backlog();
    return polled;
  }
  if (!growing_) {
    polled.end_of_input = true;
    return polled;
  }
  for (size_t file = split_per_file_ ? 0 : current_; file < files_.size(); ++file)
    HEADRACE_TRY(files_[file]->check_unchanged());
  const size_t known = files_.size();
  HEADRACE_TRY(find_files(FilePlaces{}));
  if (files_.size() > known) {
    polled.caught_up = false;
  } else {
    polled.wait_us = poll_wait_us_;
  }
  return polled;
}

bool FileSource::pause(const std::vector<bool>& splits) {
  paused_ = splits;
  return true;
}

std::vector<uint32_t> FileSource::backlog() const {
  if (!split_per_file_) return {0};
  std::vector<uint32_t> out;
  for (uint32_t file = 0; file < files_.size(); ++file)
    if (!dry_[file]) out.push_back(file);
  return out;
}

Position FileSource::position() const {
  FilePlaces out;
  if (!split_per_file_) {
    if (current_ < files_.size()) out.places.push_back(files_[current_]->place());
  } else {
    for (const auto& file : files_) out.places.push_back(file->place());
    if (current_ < files_.size()) out.turn = files_[current_]->place().file;
  }
  return Position{out.text()};
}

std::optional<int64_t> FileSource::lag_bytes() const {
  if (current_ >= files_.size()) return std::nullopt;
  const std::optional<uint64_t> left = files_[current_]->bytes_left();
  return left ? std::optional(static_cast<int64_t>(*left)) : std::nullopt;
}

}  // namespace headrace
