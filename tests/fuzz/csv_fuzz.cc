// libFuzzer target: no bytes crash the csv decoder, and a cut at a record's end changes no row.
#include <cstdlib>

#include "codec/decoder.h"
#include "codec/records.h"

namespace headrace {
namespace {

std::pair<int64_t, int64_t> rows_and_records(Decoder& decoder, std::string_view bytes, int64_t line) {
  const Decoded decoded = decoder.decode(bytes, "fuzz", line);
  int64_t rows = 0;
  for (const Batch& batch : decoded.batches) rows += batch.rows();
  if (decoded.records != rows + static_cast<int64_t>(decoded.rejected.size())) std::abort();
  return {rows, decoded.records};
}

std::unique_ptr<Decoder> csv_decoder(DecoderConfig config) {
  config.format = "csv";
  config.schema = std::make_shared<const Schema>(std::vector<Field>{
      {"a", LogicalType::BIGINT, true}, {"s", LogicalType::VARCHAR, true}, {"t", LogicalType::TIMESTAMP, true}});
  config.declared = config.schema;
  return make_decoder(config).value();
}

}  // namespace
}  // namespace headrace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace headrace;
  static const auto decoder = csv_decoder({.header = false}),
                    with_header =
                        csv_decoder({.header = true, .delimiter = ';', .null_text = "N", .null_on_error = true});
  // A mark at the beginning of a file is the source's business; the bytes here come from its middle.
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const size_t end = end_of_last_record(Framing{true, ','}, bytes.substr(0, size / 2));
  const auto whole = rows_and_records(*decoder, bytes, 2), first = rows_and_records(*decoder, bytes.substr(0, end), 2),
             second = rows_and_records(*decoder, bytes.substr(end), 2);
  if (whole.first != first.first + second.first || whole.second != first.second + second.second) std::abort();
  (void)rows_and_records(*with_header, bytes, 1);
  return 0;
}
