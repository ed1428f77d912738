// JSON records to columns: one object a line (ndjson), or one array of objects (json).
#pragma once

#include <memory>

#include "codec/decoder.h"

namespace headrace {

/// Errors: bad_config (a column of a type that JSON cannot fill).
Result<std::unique_ptr<Decoder>> make_json_decoder(const DecoderConfig& config);

}  // namespace headrace
