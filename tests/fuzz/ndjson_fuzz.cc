// libFuzzer target: no bytes crash the JSON decoders, and every record is either a row or rejected.
#include <cstdlib>

#include "codec/decoder.h"

namespace headrace {
namespace {

std::unique_ptr<Decoder> decoder_of(DecoderConfig config) {
  config.schema = std::make_shared<const Schema>(std::vector<Field>{
      {"a", LogicalType::BIGINT, true},
      {"d", LogicalType::DECIMAL(12, 2), true},
      {"f", LogicalType::DOUBLE, true},
      {"s", LogicalType::VARCHAR, true},
      {"t", LogicalType::TIMESTAMP, true},
      {"n", LogicalType::INTEGER, false},
      {"l", LogicalType::LIST(LogicalType::STRUCT({{"x", LogicalType::VARCHAR}})), true},
      {"m", LogicalType::MAP(LogicalType::VARCHAR, LogicalType::BLOB), true},
  });
  config.declared = config.schema;
  return make_decoder(config).value();
}

void check(Decoder& decoder, std::string_view bytes) {
  const Decoded decoded = decoder.decode(bytes, "fuzz", 1);
  int64_t rows = 0;
  for (const Batch& batch : decoded.batches) rows += batch.rows();
  if (decoded.records != rows + static_cast<int64_t>(decoded.rejected.size())) std::abort();
}

}  // namespace
}  // namespace headrace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::unique_ptr<headrace::Decoder> decoders[] = {
      headrace::decoder_of({.format = "ndjson"}),
      headrace::decoder_of({.format = "ndjson", .reject_extra_fields = true}),
      headrace::decoder_of({.format = "ndjson", .null_on_error = true}),
      headrace::decoder_of({.format = "json"}),
  };
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const auto& decoder : decoders) headrace::check(*decoder, bytes);
  return 0;
}
