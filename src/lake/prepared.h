// What a checkpoint keeps of a sink's epoch: files that are durable but not yet visible, and what the table says before
// and after them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "duck/parquet_write.h"

namespace headrace {

/// What a sink last brought into a table, as the table's property tells it (python/headrace/lake/commits.py).
struct Marker {
  uint64_t generation = 0;
  uint64_t epoch = 0;
  std::string content;  ///< A hash of the list of files: two commits of one epoch are not the same.

  bool operator==(const Marker&) const = default;
  std::string json() const;
  static std::string json(const std::optional<Marker>& marker) { return marker ? marker->json() : "null"; }
};

/// A data file as the steward is told of it.
struct PreparedFile {
  std::string path;
  std::string json;
};

PreparedFile prepared_file(const ParquetFile& file);

struct Prepared {
  std::string table;
  Marker own;                         ///< What the table says once these files are in.
  std::optional<Marker> predecessor;  ///< What it says before.
  std::vector<PreparedFile> files;    ///< Of every epoch that is not yet in the table, in order.

  std::string json() const;
  std::string files_json() const;
  /// Errors: corrupt_state.
  static Result<Prepared> parse(const std::string& text);
};

/// FNV-1a, 64 bits, as hexadecimal digits.
std::string content_hash(std::string_view bytes);

}  // namespace headrace
