// The versions of keys: which row of a key was valid at a time. A version is valid from its time on until the next one;
// of two with one time the later arrival counts.
#pragma once

#include <vector>

#include "data/event_time.h"
#include "state/keyed_rows.h"

namespace headrace {

class VersionTable {
 public:
  VersionTable(const std::string& name, std::vector<LogicalType> columns, std::vector<size_t> key);

  /// Adds the first `count` rows of `rows` as versions valid from `times_ms` on; where `ends[i]`, there is no row from
  /// then on.
  void add(DataChunk& rows, DataChunk& keys, const uint64_t* hashes, size_t count, const int64_t* times_ms,
           const uint8_t* ends);
  /// Takes back the oldest version that equals the only row of `row`.
  void take_back(DataChunk& row, DataChunk& key, const uint64_t* hash);
  /// The version of each key that is valid at a time; missing_slot where there is none.
  void find(DataChunk& keys, const uint64_t* hashes, size_t count, const int64_t* times_ms, Slot* out) const;
  /// Forgets the versions that are not valid at `time` or later.
  void forget_before(int64_t time_ms);
  void gather(size_t column, const Slot* rows, size_t count, Vector& out) const {
    rows_.gather(column, rows, count, out);
  }

  std::vector<Table*> tables() { return rows_.tables(); }
  void restored();

 private:
  /// A version's plain bytes.
  struct Version {
    int64_t time_ms;
    int64_t ends;  ///< There is no row from its time on.
  };
  struct Place {
    int64_t time_ms;
    Slot row;
  };
  /// A group whose older versions can go when the watermark reaches a time.
  struct Overtaken {
    int64_t time_ms;
    Slot group;
    bool operator>(const Overtaken& other) const { return time_ms > other.time_ms; }
  };

  void put(Slot group, Slot row, int64_t time_ms);
  void forget_before(Slot group, int64_t time_ms);
  const Version& version(Slot row) const { return *reinterpret_cast<const Version*>(rows_.read_row_plain(row)); }

  KeyedRows rows_;
  std::vector<std::vector<Place>> by_group_;  ///< By time, then arrival; made anew by a restore.
  std::vector<Overtaken> overtaken_;          ///< A heap, the earliest first.
};

}  // namespace headrace
