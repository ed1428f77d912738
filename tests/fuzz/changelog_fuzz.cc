// libFuzzer target: no bytes crash the decoders of change records; none of a rejected record's rows stays.
#include <cstdlib>

#include "codec/decoder.h"

namespace headrace {
namespace {

std::unique_ptr<Decoder> decoder_of(const std::string& format, std::vector<size_t> key) {
  DecoderConfig config;
  config.format = format;
  config.schema = std::make_shared<const Schema>(std::vector<Field>{
      {"a", LogicalType::BIGINT, false},
      {"d", LogicalType::DECIMAL(12, 2), true},
      {"s", LogicalType::VARCHAR, true},
      {"t", LogicalType::TIMESTAMP, true},
      {"l", LogicalType::LIST(LogicalType::STRUCT({{"x", LogicalType::VARCHAR}})), true},
  });
  config.declared = config.schema;
  config.key = std::move(key);
  return make_decoder(config).value();
}

void check(Decoder& decoder, std::string_view bytes) {
  const Decoded decoded = decoder.decode(bytes, "fuzz", 1);
  int64_t rows = 0;
  for (const Batch& batch : decoded.batches) {
    rows += batch.rows();
    if (!batch.diffs.empty() && static_cast<int64_t>(batch.diffs.size()) != batch.rows()) std::abort();
  }
  const int64_t accepted = decoded.records - static_cast<int64_t>(decoded.rejected.size());
  if (accepted < 0 || (accepted == 0 && rows > 0)) std::abort();
}

}  // namespace
}  // namespace headrace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<std::unique_ptr<headrace::Decoder>> decoders = [] {
    std::vector<std::unique_ptr<headrace::Decoder>> out;
    for (const char* format : {"changelog-ndjson", "debezium-json", "maxwell-json", "canal-json"})
      for (const bool keyed : {false, true})
        out.push_back(headrace::decoder_of(format, keyed ? std::vector<size_t>{0} : std::vector<size_t>{}));
    return out;
  }();
  for (const auto& decoder : decoders) headrace::check(*decoder, {reinterpret_cast<const char*>(data), size});
  return 0;
}
