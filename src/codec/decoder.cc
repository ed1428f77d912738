#include "codec/decoder.h"

#include <fmt/format.h>

#include "codec/changelog.h"
#include "codec/csv.h"
#include "codec/ndjson.h"
#include "data/format.h"

namespace headrace {

Result<std::unique_ptr<Decoder>> make_decoder(const DecoderConfig& config) {
  if (config.format == "csv") return make_csv_decoder(config);
  if (config.format == "ndjson" || config.format == "json") return make_json_decoder(config);
  if (tells_changes(config.format)) return make_changelog_decoder(config);
  return user_error(Code::bad_config, fmt::format("no decoder reads format '{}'", config.format))
      .with_remedy("use ndjson, changelog-ndjson, debezium-json, maxwell-json, canal-json, json or csv");
}

}  // namespace headrace
