// A state directory as it lies on the disk, read without the project and without an engine: the last manifest, its
// tables and their rows. What `headrace state` shows.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "duck/adhoc.h"
#include "run/checkpoint.h"
#include "state/table.h"

namespace headrace {

/// One table of one node, with the rows of all shards. Readable by ad-hoc queries: the key's columns, the values, and
/// `plain`, the operator's own bytes.
class StateTable final : public AdhocTable {
 public:
  StateTable(std::string name, TableSpec spec);

  const std::string& name() const { return name_; }  ///< NODE_KIND_TABLE, as 3_aggregate_groups.
  int64_t bytes() const { return bytes_; }           ///< Of its images in the segments.
  int64_t saved_blocks() const { return saved_blocks_; }

  /// Takes a block in. Errors: corrupt_state.
  Result<> add(const SavedImages& block);

  const std::vector<std::string>& names() const override { return names_; }
  const duckdb::vector<LogicalType>& types() const override { return types_; }
  int64_t rows() const override { return table_.rows(); }
  size_t blocks() const override { return static_cast<size_t>((table_.rows() + rows_per_batch - 1) / rows_per_batch); }
  void scan(size_t block, const std::vector<size_t>& columns, DataChunk& out) const override;

 private:
  std::string name_;
  std::vector<std::string> names_;
  duckdb::vector<LogicalType> types_;
  Table table_;
  mutable std::vector<Slot> slots_;  ///< Of all rows, when first scanned.
  int64_t bytes_ = 0, saved_blocks_ = 0;
};

struct StateFiles {
  Manifest manifest;
  std::vector<SegmentName> segments;
  std::vector<std::shared_ptr<StateTable>> tables;

  /// Errors: not_found (no checkpoint), corrupt_state, io_error. A checkpoint that replaces the manifest meanwhile may
  /// remove a segment: io_error, to be tried again.
  static Result<StateFiles> read(const std::string& directory);
  /// nullptr = there is none of this name.
  std::shared_ptr<StateTable> find(const std::string& name) const;
};

}  // namespace headrace
