// Formats whose records say what they do to a row: changelog-ndjson, debezium-json, maxwell-json, canal-json. A row
// that comes is +1, one that goes is -1; an update is the old row (-1), then the new one (+1).
//
// For a source with a primary key a new row replaces the one of its key (docs/reference/sql.md, Sources that change):
// an update gives the new row only, and a removal needs nothing but the key. An update that changes the key itself is a
// removal of the old key, and the new row.
#pragma once

#include <memory>

#include "codec/decoder.h"

namespace headrace {

/// Errors: bad_config (a column of a type that JSON cannot fill).
Result<std::unique_ptr<Decoder>> make_changelog_decoder(const DecoderConfig& config);

}  // namespace headrace
