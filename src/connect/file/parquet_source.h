// Rows of Parquet files, read through DuckDB in name order. Gives rows that are ready; a position is a file and a row
// number.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "connect/file/read_ahead.h"
#include "connect/file/source.h"

namespace headrace {

class ParquetSource final : public Source {
 public:
  /// Errors: bad_config (mode = 'follow').
  static Result<std::unique_ptr<Source>> make(const SourceContext& context);

  Result<> open(const std::optional<Position>& from) override;
  Result<Polled> poll(int64_t bytes_max) override;
  bool pause(const std::vector<bool>& splits) override;
  Position position() const override;
  Result<> committed(const Position&) override { return {}; }
  uint32_t splits() const override { return split_per_file_ ? static_cast<uint32_t>(files_.size()) : 1; }
  std::string split_name(uint32_t split) const override { return split_per_file_ ? files_[split].place.file : ""; }

 private:
  struct ParquetFile {
    std::string path;
    FilePlace place;  ///< `offset` counts rows.
    std::unique_ptr<ReadAhead> reader;
    std::optional<uint64_t> end;  ///< Rows behind it are not read.
    bool ended = false, end_told = false;
    bool dry = false;     ///< It had nothing when it was last asked.
    bool paused = false;  ///< Not to be asked.
  };

  explicit ParquetSource(const SourceContext& context);
  Result<> stop_at_end();
  Result<std::optional<Morsel>> next_morsel();
  Result<std::optional<Morsel>> read(size_t file);
  std::vector<uint32_t> backlog() const;
  void read_ahead(int64_t bytes);
  void take(DataChunk& rows, const std::string& file, int64_t first_row, Morsel& morsel) const;

  const std::string directory_, pattern_;
  const bool split_per_file_;
  const std::optional<Position> end_;  ///< Read to here only.
  const SchemaRef schema_;
  std::vector<ParquetColumn> columns_;
  std::vector<ParquetFile> files_;
  size_t current_ = 0;
};

}  // namespace headrace
