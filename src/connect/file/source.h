// Records in local files: read once (bounded), tailed while they grow (follow), or played again at the pace of their
// event time (replay). The source finds the ends of records and hands the bytes on; the shards decode them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codec/records.h"
#include "connect/file/input.h"
#include "connect/file/watch.h"
#include "connect/spec.h"

namespace headrace {

/// Where reading stands in one file.
struct FilePlace {
  std::string file;     ///< Relative to the project where it lies below it.
  uint64_t offset = 0;  ///< Of the next record; counts uncompressed bytes.
  int64_t line = 1;     ///< Number of the line that begins at `offset`.
  int64_t skip = 0;     ///< Records from `offset` on that replay has already released.
  bool done = false;    ///< The file broke off: nothing more is expected of it.
};

/// Where a file source stands: the file being read, or with a split per file all of them.
struct FilePlaces {
  std::vector<FilePlace> places;
  std::string turn;  ///< A split per file: the file that is read next.

  /// nullptr: nothing of the file was read, or it lies behind.
  const FilePlace* find(const std::string& file) const;
  /// True when reading has come into the file or has passed it.
  bool covers(const std::string& file, bool split_per_file) const;
  /// True when replay has released a part of a morsel.
  bool within_morsel() const {
    return std::any_of(places.begin(), places.end(), [](const FilePlace& place) { return place.skip > 0; });
  }
  std::string text() const;
  /// Errors: corrupt_state.
  static Result<FilePlaces> parse(const std::string& position);
};

struct FileFormat {
  std::string name;
  Framing framing;
  bool header = false;
  SchemaRef declared;
};

/// Cuts one file into morsels at the ends of records. Opens the file when it is first asked for one.
class FileCutter {
 public:
  FileCutter(std::string path, FilePlace place, const FileFormat& format)
      : path_(std::move(path)), place_(std::move(place)), format_(format) {}

  /// The next morsel. None: nothing whole is there now. With `at_end`, the end of the file ends a record as well.
  Result<std::optional<Morsel>> next(bool at_end);
  /// Reads no further than `end_offset`, as if the file ended there.
  void stop_at(uint64_t end_offset) { end_offset_ = end_offset; }
  /// Lets the file go once it was read to its end.
  void close() { input_.reset(); }
  /// Errors: source_unavailable when the file was truncated or replaced while it was followed.
  Result<> check_unchanged() const;
  std::optional<uint64_t> bytes_left() const;
  const FilePlace& place() const { return place_; }

 private:
  Result<> open();
  Result<> fill(size_t bytes);
  /// False: the file does not hold its whole header yet.
  Result<bool> take_header(bool at_end);
  Result<> check_header(std::string_view header) const;
  Morsel cut(size_t length);
  Morsel broken_off();

  const std::string path_;
  FilePlace place_;
  const FileFormat& format_;
  std::unique_ptr<FileInput> input_;
  uint64_t read_offset_ = 0;
  std::string header_;  ///< With its line end; stands before every morsel, so that each can be decoded alone.
  bool header_taken_ = false;
  std::string waiting_;  ///< The header, then what was read but not yet cut: what follows place_.offset.
  std::optional<uint64_t> end_offset_;
};

class FileSource final : public Source {
 public:
  /// Errors: bad_config.
  static Result<std::unique_ptr<Source>> make(const SourceContext& context);

  Result<> open(const std::optional<Position>& from) override;
  Result<Polled> poll(int64_t bytes_max) override;
  bool pause(const std::vector<bool>& splits) override;
  Position position() const override;
  Result<> committed(const Position&) override { return {}; }
  std::optional<int64_t> lag_bytes() const override;
  uint32_t splits() const override { return split_per_file_ ? static_cast<uint32_t>(files_.size()) : 1; }
  std::string split_name(uint32_t split) const override { return split_per_file_ ? files_[split]->place().file : ""; }

 private:
  explicit FileSource(const SourceContext& context);
  /// Adds the files that match and are not known yet.
  Result<> find_files(const FilePlaces& restored);
  /// Leaves what lies before `end_`.
  Result<> stop_at_end();
  std::string name_of(const std::string& path) const;
  /// True when what the file holds now is all of it: its end then ends its last record.
  bool is_final(size_t file) const { return !growing_ || (!split_per_file_ && file + 1 < files_.size()); }
  Result<std::optional<Morsel>> next_morsel();
  Result<std::optional<Morsel>> next_of_all_splits();
  bool is_paused(size_t file) const { return file < paused_.size() && paused_[file]; }
  std::vector<uint32_t> backlog() const;

  const std::string directory_, pattern_;
  const bool split_per_file_;
  const bool growing_;  ///< Followed without an end.
  const bool stops_at_end_of_now_;
  const std::optional<Position> end_;  ///< Read to here only.
  const int64_t poll_wait_us_;
  const std::function<void()> wake_;
  FileFormat format_;
  std::vector<std::unique_ptr<FileCutter>> files_;  ///< In name order.
  std::vector<bool> ended_;                         ///< By file: its end was told.
  std::vector<bool> dry_;                           ///< By file: it had nothing when it was last asked.
  std::vector<bool> paused_;                        ///< By file: not to be asked; those beyond are.
  std::unique_ptr<FolderWatch> watch_;
  size_t current_ = 0;  ///< One split: the file being read. A split per file: the one whose turn it is.
};

/// What of a file source's input before SourceContext::end is still there.
Result<Past> past_of_files(const SourceContext& context);

/// `path`, which is relative to `directory` unless it is absolute.
std::string path_in(const std::string& directory, const std::string& path);
/// The folder that a file lies in.
std::string directory_of(const std::string& path);

}  // namespace headrace
