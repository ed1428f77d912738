// The `iceberg` sink: appends a result's rows to an Iceberg table, exactly once.
//
// write() collects rows; prepare() makes them durable as Parquet files that no snapshot names; commit() has the steward
// swap the table's metadata. The checkpoint keeps the files and what the table says before and after them, so open()
// knows of every crash how far it came.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "connect/sink.h"
#include "connect/spec.h"
#include "lake/data_folder.h"
#include "lake/prepared.h"
#include "lake/steward.h"

namespace headrace {

struct PartitionPart {
  std::string column;
  bool by_day = false;  ///< Else by the column's value.
};

struct IcebergSinkOptions {
  std::string table;      ///< "lake.per_minute": one namespace and a name, lower case.
  std::string warehouse;  ///< A local folder.
  std::vector<PartitionPart> partitioned_by;
  int64_t commit_interval_ms = 0;  ///< 0 = with every checkpoint.
};

/// Reads the statement's options. Errors: bad_config, changelog_mismatch (never).
Result<IcebergSinkOptions> read_iceberg_options(const SinkContext& context);

class IcebergSink final : public Sink {
 public:
  static Result<std::unique_ptr<Sink>> make(const SinkContext& context);
  static Result<std::unique_ptr<IcebergSink>> make(IcebergSinkOptions options, const SinkContext& context);

  Result<> open(const SinkRestore& restore) override;
  Result<> write(const Batch& batch) override;
  Result<std::string> prepare(const CommitIdentity& identity) override;
  Result<> commit(const CommitIdentity& identity, const std::string& prepared) override;
  Result<> finish() override;

  static constexpr int64_t buffer_bytes_max = 64 << 20;  ///< Rows of one epoch beyond it go to several files.

 private:
  struct Column {
    std::string name, type_json;
    LogicalType type, stored;
  };

  IcebergSink(IcebergSinkOptions options, const Clock* clock) : options_(std::move(options)), clock_(clock) {}

  Result<> add_columns(const Schema& schema);
  Result<> lock(const CommitIdentity& identity);
  Result<> open_table();
  Result<> make_writer(const std::string& fields_json);
  Result<> resume(const SinkRestore& restore);
  Result<> spill();
  Result<> land(Prepared prepared);
  std::string open_request() const;
  std::string commit_request(const Prepared& prepared) const;

  const IcebergSinkOptions options_;
  const Clock* clock_;
  std::vector<Column> columns_;
  std::shared_ptr<Steward> steward_;
  std::optional<File> lock_;  ///< Held while open: one process per pipeline and sink.
  std::string lineage_, sink_;

  std::optional<DataFolder> folder_;
  std::unique_ptr<ParquetWriter> writer_;
  uint64_t waiting_ordinal_ = 0;
  std::vector<ParquetFile> waiting_;  ///< Written, of no epoch yet.
  uint64_t ordinal_ = 0;
  Epoch ordinal_epoch_;
  std::vector<PreparedFile> pending_;  ///< Durable, of an epoch, not in the table.

  std::optional<Marker> marker_;  ///< What the table says of this sink.
  std::optional<Prepared> held_;  ///< Checkpointed and waiting for the commit interval, or its commit is not decided.
  bool undecided_ = false;        ///< held_ was sent, and nothing is known of it.
  int64_t last_commit_ns_ = 0;
};

}  // namespace headrace
