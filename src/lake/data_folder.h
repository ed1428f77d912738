// The folder of a table's data files: their names, and which of them belong to nobody.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/named.h"
#include "base/result.h"
#include "connect/sink.h"
#include "lake/prepared.h"

namespace headrace {

/// One sink's files in a table's folder, called <lineage>.<sink>.g<generation>.e<epoch>.<ordinal>.parquet.
class DataFolder {
 public:
  DataFolder(std::string folder, const std::string& lineage, const std::string& sink);

  /// Where rows wait that have no epoch yet.
  std::string waiting_path(uint64_t ordinal) const;
  /// Gives a waiting file its name for ever, durably. Never replaces a file: one that is there is another process's.
  /// Errors: state_mismatch (never), io_error.
  Result<std::string> publish(const std::string& waiting, uint64_t generation, Epoch epoch, uint64_t ordinal) const;
  /// Removes what an unfinished run left: waiting files, and files of `generation` of epochs later than `last`. `kept`
  /// stay whatever their names. Only for the one who holds the sink's lock and has read the table's marker.
  Result<> remove_orphans(uint64_t generation, Epoch last, const std::vector<PreparedFile>& kept) const;

  const std::string& path() const { return folder_; }

 private:
  std::string folder_;
  std::string prefix_;  ///< "<lineage>.<sink>."
};

/// `text` with everything but letters, digits, '_' and '-' written as ~XX: names that cannot be mixed up or leave their
/// folder.
std::string file_name_part(const std::string& text);

}  // namespace headrace
