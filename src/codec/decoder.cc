#include "codec/decoder.h"

#include <fmt/format.h>

#include "codec/csv.h"
#include "codec/ndjson.h"

namespace headrace {

Result<std::unique_ptr<Decoder>> make_decoder(const DecoderConfig& config) {
  if (config.format == "csv") return make_csv_decoder(config);
  if (config.format == "ndjson" || config.format == "json" || config.format == "changelog-ndjson")
    return make_json_decoder(config);
  return user_error(Code::bad_config, fmt::format("no decoder reads format '{}'", config.format))
      .with_remedy("use ndjson, changelog-ndjson, json or csv");
}

}  // namespace headrace
