// The quarantine: every record that was refused, with its bytes, its origin and the reason. Part of the state: durable
// with the tick that refused it, and never twice.
#pragma once

#include <mutex>
#include <vector>

#include "run/pipeline.h"
#include "run/shard.h"
#include "state/table.h"

namespace headrace {

/// Written by the tick loop; read from any thread.
class Quarantine {
 public:
  Quarantine();

  /// A record that a source refused; it gets back by its bytes.
  void add(const std::string& source, const Rejected& record, int64_t now_us);
  /// A row that a node refused.
  void add(const std::string& node, RefusedRow row, int64_t now_us);
  /// A row as it was, from another quarantine.
  void put(QuarantineRow row);
  /// Marks rows as put back.
  void mark_replayed(const std::vector<int64_t>& ids, int64_t now_us);
  /// The rows after `after_id`, oldest first.
  std::vector<QuarantineRow> rows(int64_t after_id, int64_t rows_max) const;
  int64_t next_id() const { return next_id_; }

  /// For checkpoints: the state table, and what must be set after it was loaded.
  Table& table() { return table_; }
  void restored(int64_t next_id);
  /// Adds what was refused since the last call to the table (records are gathered into chunks).
  void flush();

 private:
  mutable std::mutex mutex_;
  Table table_;
  std::vector<QuarantineRow> fresh_;
  int64_t next_id_ = 1;
};

}  // namespace headrace
