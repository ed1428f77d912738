// A result's changes in one local file, exactly once.
//
// The file at `path` always holds what is committed and nothing else, so that whoever reads it needs no knowledge of
// checkpoints: an epoch's records wait in a part file of the state directory (prepare: durable, invisible) and are
// appended to the file at commit, at the offset that the prepared text names. The bytes are written twice. Appending to
// the file itself at prepare would write them once, but show rows that a crash then takes back.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "codec/encoder.h"
#include "connect/spec.h"

namespace headrace {

struct FileSinkConfig {
  std::string path;            ///< Absolute.
  std::string part_directory;  ///< For the epoch's records until they are committed.
  EncoderConfig encoder;
  std::vector<size_t> key;  ///< upsert
};

/// Turns the changes of one epoch into one operation per key: what came and went within the epoch leaves nothing
/// behind.
class UpsertEpoch {
 public:
  explicit UpsertEpoch(size_t operation_at) : operation_at_(operation_at) {}

  /// `record` as the encoder wrote it, with its operation at `operation_at`.
  void add(const std::string& key, std::string record, bool insert);
  /// Appends the operations in the order in which the keys were first touched, and starts over.
  void take(std::string& out);

 private:
  struct Change {
    std::string key;
    std::map<std::string, int64_t> records;  ///< By their text, with how often each came less how often it went.
    std::string last_inserted;
  };

  const size_t operation_at_;
  std::vector<Change> changes_;
  std::map<std::string, size_t, std::less<>> by_key_;
};

/// The columns of the key that the options name, else of the result's own. Errors: key_mismatch.
Result<std::vector<size_t>> key_of(const SinkContext& context);

class FileSink final : public Sink {
 public:
  /// Errors: bad_config, changelog_mismatch.
  static Result<std::unique_ptr<Sink>> make(const SinkContext& context);

  Result<> open(const SinkRestore& restore) override;
  Result<> write(const Batch& batch) override;
  Result<std::string> prepare(const CommitIdentity& identity) override;
  Result<> commit(const CommitIdentity& identity, const std::string& prepared) override;

 private:
  FileSink(FileSinkConfig config, std::unique_ptr<Encoder> encoder);
  void write_upserts(const Batch& batch);
  std::string part_path(uint64_t part) const;
  Result<> start_over();

  const FileSinkConfig config_;
  const std::unique_ptr<Encoder> encoder_;
  UpsertEpoch upserts_;
  std::string records_;     ///< Encoded since the last prepare.
  uint64_t committed_ = 0;  ///< Bytes of the file that are committed.
  uint64_t next_part_ = 1;
};

}  // namespace headrace
