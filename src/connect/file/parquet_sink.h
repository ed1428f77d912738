// A result's rows in one Parquet file, exactly once. A Parquet file cannot grow: each epoch's rows become a part file
// in the state directory, and a commit joins all parts into a new file that takes the old one's place. So a commit
// costs as much as the whole result is long; for long results use a lake, or ndjson.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "connect/spec.h"
#include "duck/parquet.h"

namespace headrace {

class ParquetSink final : public Sink {
 public:
  /// Errors: bad_config (changes = 'upsert'), changelog_mismatch, key_mismatch.
  static Result<std::unique_ptr<Sink>> make(const SinkContext& context);

  Result<> open(const SinkRestore& restore) override;
  Result<> write(const Batch& batch) override;
  Result<std::string> prepare(const CommitIdentity& identity) override;
  Result<> commit(const CommitIdentity& identity, const std::string& prepared) override;

 private:
  ParquetSink(const SinkContext& context, bool with_operation, std::vector<size_t> key,
              std::unique_ptr<ParquetWriter> writer);
  /// `operations`: one per row; empty without such a column.
  Result<> append(const Batch& rows, const std::vector<std::string_view>& operations);
  std::string part_path(int64_t part) const;
  /// Makes the file consist of parts 0 to `parts`; part 0 has no rows, but the columns.
  Result<> assemble(int64_t parts);

  const std::string path_, part_directory_;
  const bool with_operation_;
  const std::vector<size_t> key_;  ///< Tells which rows taken back and added are updates.
  const std::unique_ptr<ParquetWriter> writer_;
  int64_t parts_ = 0;     ///< Prepared.
  int64_t visible_ = -1;  ///< Parts that the file consists of.
};

}  // namespace headrace
