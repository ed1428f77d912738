// Maxwell's change records: {"type": "update", "data": row after it, "old": the fields that were different}.
#pragma once

#include "codec/envelope.h"

namespace headrace {

class MaxwellEnvelope final : public Envelope {
 public:
  bool read(std::string_view text, size_t readable, std::vector<RowChange>& changes, ValueFault& fault) override;

 private:
  EnvelopeFields fields_;
};

}  // namespace headrace
