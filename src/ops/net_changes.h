// The net of many changes: rows that come and go within a tick cancel out before they are told.
#pragma once

#include "ops/operator.h"

namespace headrace {

/// One thread; used from the first change of a tick to its end.
class NetChanges {
 public:
  explicit NetChanges(SchemaRef schema);

  /// Adds `diff` copies of each row of `rows`.
  void add(DataChunk& rows, int32_t diff);
  /// Emits what is left, rows taken back first, and starts anew.
  Result<> tell(Emitter& out);

 private:
  Result<> tell_signed(const std::vector<Slot>& rows, int32_t sign, Emitter& out);

  SchemaRef schema_;
  Table rows_;  ///< Keyed by the whole row, with its net number of copies.
};

}  // namespace headrace
