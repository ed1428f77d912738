// Canal's change records: {"type": "UPDATE", "data": [rows after it], "old": [for each the fields that were
// different]}. One record may change several rows.
#pragma once

#include "codec/envelope.h"

namespace headrace {

class CanalEnvelope final : public Envelope {
 public:
  bool read(std::string_view text, size_t readable, std::vector<RowChange>& changes, ValueFault& fault) override;

 private:
  EnvelopeFields fields_;
};

}  // namespace headrace
