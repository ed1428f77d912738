#include "codec/ndjson.h"

#include "codec/json_record.h"
#include "codec/records.h"

namespace headrace {
namespace {

/// Reads one record and keeps its row.
void decode_record(std::string_view record, const char* readable_end, bool utf8, JsonRecordReader& reader,
                   RowWriter& rows, std::string& copy, int64_t line) {
  const PaddedRecord padded(record, readable_end, copy);
  if (reader.read(padded.text, padded.readable, utf8, rows)) {
    rows.keep_row(1, line);
  } else {
    rows.reject_record(record, reader.fault().code, std::move(reader.fault().reason), line);
  }
}

class NdjsonDecoder final : public Decoder {
 public:
  explicit NdjsonDecoder(const DecoderConfig& config)
      : reader_(config, JsonScalars::strict, false), rows_(config.schema) {}

  Decoded decode(std::string_view bytes, std::string_view origin, int64_t first_record) override {
    rows_.begin(origin);
    const char* const end = bytes.data() + bytes.size();
    const bool utf8 = simdjson::validate_utf8(bytes.data(), bytes.size());
    for_each_line(bytes, first_record, [&](std::string_view record, int64_t line) {
      decode_record(record, end, utf8, reader_, rows_, copy_, line);
    });
    return rows_.finish();
  }

 private:
  JsonRecordReader reader_;
  RowWriter rows_;
  std::string copy_;
};

/// The elements of one array. The array is cut into its elements first, so that a broken element does not take the
/// others with it; where brackets or quotes do not close, what is left is one broken record.
class JsonArrayDecoder final : public Decoder {
 public:
  explicit JsonArrayDecoder(const DecoderConfig& config)
      : reader_(config, JsonScalars::strict, false), rows_(config.schema) {}

  Decoded decode(std::string_view bytes, std::string_view origin, int64_t first_record) override {
    rows_.begin(origin);
    const char* const end = bytes.data() + bytes.size();
    const bool utf8 = simdjson::validate_utf8(bytes.data(), bytes.size());
    if (bytes.starts_with(byte_order_mark)) bytes.remove_prefix(byte_order_mark.size());
    while (!bytes.empty() && is_space(bytes.back())) bytes.remove_suffix(1);
    skip_space(bytes);
    int64_t number = first_record;
    if (!bytes.starts_with('[')) {
      if (!bytes.empty()) reject(bytes, "the body is one JSON array of objects", number);
      return rows_.finish();
    }
    std::string_view left = bytes.substr(1);
    skip_space(left);
    if (left == "]") return rows_.finish();
    while (true) {
      const size_t length = element_length(left);
      if (length == std::string_view::npos) {
        reject(left, "the array does not end", number);
        break;
      }
      const std::string_view element = trimmed_all(left.substr(0, length));
      if (element.empty()) {
        reject(left.substr(0, length + 1), "an element of the array is missing", number++);
      } else {
        decode_record(element, end, utf8, reader_, rows_, copy_, number++);
      }
      const bool last = left[length] == ']';
      left.remove_prefix(length + 1);
      if (!last) continue;
      if (!left.empty()) reject(left, "text follows the array", number);
      break;
    }
    return rows_.finish();
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
  static void skip_space(std::string_view& text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  }
  static std::string_view trimmed_all(std::string_view text) {
    skip_space(text);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
  }

  /// Bytes up to the ',' or ']' that ends the first element.
  static size_t element_length(std::string_view text) {
    int64_t depth = 0;
    bool quoted = false;
    for (size_t at = 0; at < text.size(); ++at) {
      const char c = text[at];
      if (quoted) {
        if (c == '\\') ++at;
        if (c == '"') quoted = false;
        continue;
      }
      if (c == '"') quoted = true;
      if (depth == 0 && (c == ',' || c == ']')) return at;
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
      if (depth < 0) return std::string_view::npos;
    }
    return std::string_view::npos;
  }

  void reject(std::string_view bytes, std::string reason, int64_t number) {
    rows_.reject_record(bytes, Code::malformed_record, std::move(reason), number);
  }

  JsonRecordReader reader_;
  RowWriter rows_;
  std::string copy_;
};

}  // namespace

Result<std::unique_ptr<Decoder>> make_json_decoder(const DecoderConfig& config) {
  HEADRACE_TRY(check_json_columns(config));
  if (config.format == "json") return std::unique_ptr<Decoder>(std::make_unique<JsonArrayDecoder>(config));
  return std::unique_ptr<Decoder>(std::make_unique<NdjsonDecoder>(config));
}

}  // namespace headrace
