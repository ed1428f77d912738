// Debezium's change events as JSON, with or without their schema: {"before": row, "after": row, "op": "c"} or
// {"schema": ..., "payload": {...}}.
#pragma once

#include "codec/envelope.h"

namespace headrace {

class DebeziumEnvelope final : public Envelope {
 public:
  bool read(std::string_view text, size_t readable, std::vector<RowChange>& changes, ValueFault& fault) override;

 private:
  /// What the fields read so far say.
  struct Event {
    std::string_view before, after;
    std::string operation;
    bool tombstone = false;  ///< The payload is null.
  };
  static bool read_field(std::string_view name, simdjson::ondemand::value value, Event& event, ValueFault& fault);

  EnvelopeFields fields_;
};

}  // namespace headrace
