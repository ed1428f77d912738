#include "codec/ndjson.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "codec/json_value.h"
#include "codec/plain_scan.h"
#include "codec/records.h"
#include "codec/row_writer.h"

namespace headrace {
namespace {

namespace ondemand = simdjson::ondemand;
using simdjson::SIMDJSON_PADDING;

/// What a field's value is for.
enum class Use : uint8_t { column, skip, operation, extra };

/// A field name as it stands in the records, and what to do with its value.
struct FieldName {
  std::string quoted;  ///< The name with its closing quote: one comparison finds both.
  Use use = Use::skip;
  size_t column = 0;
  bool exact = true;  ///< Spelled as declared; such a field beats one that differs in case.
};

/// Field names remembered per decoder. Records may name anything, so this has a limit.
constexpr size_t names_max = 4096;

/// Decodes one JSON object at a time into the row writer. Most records have their fields in the same order, so the name
/// at each place is compared with the one that stood there last; only another name is looked up. And most values are
/// plain (numbers, texts without escapes): such records are read in one pass over their bytes. All others, the broken
/// ones among them, are simdjson's.
class JsonRecordReader {
 public:
  JsonRecordReader(const DecoderConfig& config, bool changelog)
      : schema_(config.schema),
        declared_(config.declared ? config.declared : config.schema),
        reject_extra_fields_(config.reject_extra_fields),
        null_on_error_(config.null_on_error),
        changelog_(changelog),
        seen_(config.schema->size()) {
    for (const Field& field : schema_->fields()) {
      columns_.emplace_back(field.name, field.type);
      some_not_null_ = some_not_null_ || !field.nullable;
    }
  }

  /// Reads the object `text`, of which `readable` bytes (more than text.size() + padding) may be touched.
  bool read(std::string_view text, size_t readable, RowWriter& rows) {
    fault_ = ValueFault{};
    diff_ = 1;
    if (text.size() > parser_.capacity()) {
      if (auto error = parser_.allocate(std::max(text.size(), 2 * parser_.capacity()))) return broken(error);
    }
    ondemand::document document;
    if (auto error = parser_.iterate(text.data(), text.size(), readable).get(document)) return broken(error);
    ondemand::object object;
    if (text.front() != '{' || document.get_object().get(object)) {
      fault_.reason = fmt::format("a record is one JSON object; got {}", shortened(text));
      return false;
    }
    if (!read_fields(object, text, rows)) return false;
    if (const char* behind = nullptr; !document.current_location().get(behind)) {
      fault_.reason = "text follows the record's closing brace";
      return false;
    }
    return fill_missing(rows);
  }

  /// Reads a record whose fields stand as in the record before and whose values are plain. False: read() has to look at
  /// it; the row is as it was. The text is known to be UTF-8.
  bool read_plain(std::string_view text, RowWriter& rows) {
    if (expected_.empty() || text.size() < 2 || text.front() != '{' || text.back() != '}') return false;
    ++record_;
    columns_seen_ = 0;
    nulls_ = false;
    const bool whole = read_plain_fields(text.data() + 1, text.data() + text.size(), rows);
    diff_ = 1;
    if (whole && columns_seen_ == columns_.size() && !(nulls_ && some_not_null_)) return true;
    if (whole && fill_missing(rows)) return true;
    for (size_t column = 0; column < columns_.size(); ++column) set_valid(rows.vector(column), rows.row());
    return false;
  }

  int32_t diff() const { return diff_; }
  ValueFault& fault() { return fault_; }

 private:
  struct Seen {
    uint64_t record = 0;
    bool exact = false;
  };

  bool broken(simdjson::error_code error) {
    fault_.code = error == simdjson::UTF8_ERROR ? Code::invalid_utf8 : Code::malformed_record;
    fault_.reason = simdjson::error_message(error);
    return false;
  }

  bool read_fields(ondemand::object object, std::string_view text, RowWriter& rows) {
    ++record_;
    columns_seen_ = 0;
    size_t place = 0;
    const char* const end = text.data() + text.size();
    for (auto result : object) {
      ondemand::field field;
      if (auto error = std::move(result).get(field)) return broken(error);
      const FieldName* name = place < expected_.size() ? expected_[place] : nullptr;
      if (name == nullptr || !stands_at(*name, field.key().raw(), end)) {
        if (auto error = look_up(field, end, place, name)) return broken(error);
      }
      ++place;
      if (!read_field(*name, field.value(), rows)) return false;
    }
    return true;
  }

  bool read_plain_fields(const char* at, const char* const end, RowWriter& rows) {
    for (const FieldName* name : expected_) {
      if (*at != '"' || !stands_at(*name, at + 1, end)) return false;
      at += 1 + name->quoted.size();
      if (*at++ != ':') return false;
      if (*at == ' ') ++at;
      if (name->use == Use::column ? !read_plain_value(name->column, at, end, rows) : !skip_plain_value(*name, at, end))
        return false;
      if (*at == '}') return at + 1 == end;
      if (*at++ != ',') return false;
      if (*at == ' ') ++at;
    }
    return false;  // More fields than the record before.
  }

  bool skip_plain_value(const FieldName& name, const char*& at, const char* end) const {
    if (name.use == Use::operation || (name.use == Use::extra && reject_extra_fields_)) return false;
    if (*at == '"') {
      const char* close = end_of_plain_string(at + 1, end);
      if (close == nullptr) return false;
      at = close + 1;
      return true;
    }
    const std::string_view token = plain_token(at, end);
    at += token.size();
    return !token.empty() && token.front() != '{' && token.front() != '[' && plausible_scalar(token);
  }

  bool read_plain_value(size_t column, const char*& at, const char* end, RowWriter& rows) {
    Seen& seen = seen_[column];
    if (seen.record == record_) return false;
    seen = {record_, true};
    ++columns_seen_;
    const JsonColumn& reader = columns_[column];
    if (reader.shape != JsonColumn::Shape::scalar) return false;
    Vector& vector = rows.vector(column);
    if (*at == '"') {
      const char* close = end_of_plain_string(at + 1, end);
      if (close == nullptr) return false;
      const std::string_view text(at + 1, static_cast<size_t>(close - at - 1));
      at = close + 1;
      if (reader.scalar.kind == ScalarKind::text) return rows.put_text(column, text), true;
      if (reader.scalar.kind < ScalarKind::float32 || reader.scalar.kind == ScalarKind::boolean) return false;
      return store_text(reader.scalar, text, vector, rows.row()) == Parse::ok;
    }
    if (reader.scalar.kind == ScalarKind::int64) {
      int64_t value;
      if (take_plain_integer(at, value)) {
        duckdb::FlatVector::GetDataUnsafe<int64_t>(vector)[rows.row()] = value;
        return true;
      }
    }
    const std::string_view token = plain_token(at, end);
    at += token.size();
    if (token == "null") {
      set_null(vector, rows.row());
      nulls_ = true;
      return true;
    }
    if (reader.scalar.kind == ScalarKind::boolean) {
      return (token == "true" || token == "false") && store_text(reader.scalar, token, vector, rows.row()) == Parse::ok;
    }
    if (reader.scalar.kind > ScalarKind::decimal128 || !is_json_number(token)) return false;
    return store_text(reader.scalar, token, vector, rows.row()) == Parse::ok;
  }

  static bool stands_at(const FieldName& name, const char* at, const char* end) {
    return static_cast<size_t>(end - at) > name.quoted.size() &&
           std::memcmp(at, name.quoted.data(), name.quoted.size()) == 0;
  }

  /// Finds out what a field is for, and expects it at this place from now on.
  simdjson::error_code look_up(ondemand::field& field, const char* end, size_t place, const FieldName*& name) {
    const char* begin = field.key().raw();
    const char* close = begin;
    while (close < end && *close != '"') close += *close == '\\' ? 2 : 1;
    if (close >= end) return simdjson::STRING_ERROR;
    const std::string quoted(begin, close + 1);
    auto found = names_.find(quoted);
    if (found == names_.end()) {
      std::string_view plain;
      if (auto error = field.unescaped_key().get(plain)) return error;
      if (names_.size() >= names_max) {
        names_.clear();
        expected_.clear();
      }
      found = names_.emplace(quoted, name_of_field(quoted, plain)).first;
    }
    name = &found->second;
    if (place == expected_.size()) expected_.push_back(name);
    if (place < expected_.size()) expected_[place] = name;
    return simdjson::SUCCESS;
  }

  FieldName name_of_field(const std::string& quoted, std::string_view plain) const {
    FieldName name{quoted};
    if (changelog_ && plain == "_op") {
      name.use = Use::operation;
    } else if (auto column = schema_->find(plain)) {
      name.use = Use::column;
      name.column = *column;
      name.exact = (*schema_)[*column].name == plain;
    } else {
      name.use = declared_->find(plain) ? Use::skip : Use::extra;
    }
    return name;
  }

  bool read_field(const FieldName& name, ondemand::value value, RowWriter& rows) {
    switch (name.use) {
      case Use::column:
        break;
      case Use::operation:
        return read_operation(value);
      case Use::extra:
        if (reject_extra_fields_) {
          fault_.code = Code::extra_field;
          fault_.reason = fmt::format("field \"{}\" is not declared", name.quoted.substr(0, name.quoted.size() - 1));
          return false;
        }
        [[fallthrough]];
      case Use::skip:
        if (plausible_scalar(value.raw_json_token())) return true;
        fault_.reason =
            fmt::format("field \"{}: {} is not a JSON value", name.quoted, shortened(value.raw_json_token()));
        return false;
    }
    Vector& vector = rows.vector(name.column);
    Seen& seen = seen_[name.column];
    if (seen.record == record_) {  // The same name again: the last one wins, but for one that is spelled less well.
      if (seen.exact && !name.exact) return true;
      set_valid(vector, rows.row());
    } else {
      seen.record = record_;
      ++columns_seen_;
    }
    seen.exact = name.exact;
    if (read_json_value(columns_[name.column], value, vector, rows.row(), fault_)) return true;
    if (!null_on_error_ || (fault_.code != Code::wrong_type && fault_.code != Code::out_of_range)) return false;
    set_null(vector, rows.row());
    fault_ = ValueFault{};
    return true;
  }

  bool read_operation(ondemand::value value) {
    std::string_view operation;
    if (!value.get_string().get(operation)) {
      if (operation == "+I" || operation == "+U") return diff_ = 1, true;
      if (operation == "-U" || operation == "-D") return diff_ = -1, true;
    }
    fault_.code = Code::wrong_type;
    fault_.reason =
        fmt::format("field \"_op\": {} is none of \"+I\", \"-U\", \"+U\", \"-D\"", shortened(value.raw_json_token()));
    return false;
  }

  /// Makes the columns that the record did not name NULL.
  bool fill_missing(RowWriter& rows) {
    if (columns_seen_ < columns_.size()) {
      for (size_t column = 0; column < columns_.size(); ++column) {
        if (seen_[column].record != record_) set_null(rows.vector(column), rows.row());
      }
    }
    for (size_t column = 0; column < columns_.size(); ++column) {
      if ((*schema_)[column].nullable) continue;
      if (!duckdb::FlatVector::IsNull(rows.vector(column), static_cast<duckdb::idx_t>(rows.row()))) continue;
      fault_.code = Code::missing_field;
      fault_.reason =
          fmt::format("field \"{}\" of type {} NOT NULL is {}", columns_[column].name, columns_[column].type.ToString(),
                      seen_[column].record == record_ ? "null" : "missing");
      return false;
    }
    return true;
  }

  SchemaRef schema_, declared_;
  const bool reject_extra_fields_, null_on_error_, changelog_;
  std::vector<JsonColumn> columns_;
  ondemand::parser parser_;
  std::unordered_map<std::string, FieldName> names_;
  std::vector<const FieldName*> expected_;  ///< By place in the record.
  std::vector<Seen> seen_;                  ///< By column.
  uint64_t record_ = 0;
  size_t columns_seen_ = 0;
  bool some_not_null_ = false;
  bool nulls_ = false;  ///< The plain record has a null.
  int32_t diff_ = 1;
  ValueFault fault_;
};

std::string_view trimmed(std::string_view line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  return line;
}

/// One record: plain if it can be, else by simdjson; in place where enough readable bytes follow it, else from a copy
/// with padding.
void decode_record(std::string_view record, const char* readable_end, bool utf8, JsonRecordReader& reader,
                   RowWriter& rows, std::string& padded, int64_t line) {
  size_t readable = static_cast<size_t>(readable_end - record.data());
  std::string_view text = record;
  if (readable < record.size() + SIMDJSON_PADDING) {
    padded.reserve(record.size() + SIMDJSON_PADDING);
    padded.assign(record);
    padded.append(SIMDJSON_PADDING, ' ');
    text = std::string_view(padded).substr(0, record.size());
    readable = padded.size();
  }
  if ((utf8 && reader.read_plain(text, rows)) || reader.read(text, readable, rows)) {
    rows.keep_row(reader.diff(), line);
  } else {
    rows.reject_row(record, reader.fault().code, std::move(reader.fault().reason), line);
  }
}

class NdjsonDecoder final : public Decoder {
 public:
  NdjsonDecoder(const DecoderConfig& config, bool changelog) : reader_(config, changelog), rows_(config.schema) {}

  Decoded decode(std::string_view bytes, std::string_view origin, int64_t first_record) override {
    rows_.begin(origin);
    const char* const end = bytes.data() + bytes.size();
    const bool utf8 = simdjson::validate_utf8(bytes.data(), bytes.size());
    // Only where a file begins: anywhere else it is part of a record, however the file is cut.
    if (first_record <= 1 && bytes.starts_with(byte_order_mark)) bytes.remove_prefix(byte_order_mark.size());
    for (int64_t line = first_record; !bytes.empty(); ++line) {
      const void* found = std::memchr(bytes.data(), '\n', bytes.size());
      const size_t length = found ? static_cast<size_t>(static_cast<const char*>(found) - bytes.data()) : bytes.size();
      const std::string_view record = trimmed(bytes.substr(0, length));
      bytes.remove_prefix(std::min(length + 1, bytes.size()));
      if (!record.empty()) decode_record(record, end, utf8, reader_, rows_, padded_, line);
    }
    return rows_.finish();
  }

 private:
  JsonRecordReader reader_;
  RowWriter rows_;
  std::string padded_;
};

/// The elements of one array. The array is cut into its elements first, so that a broken element does not take the
/// others with it; where brackets or quotes do not close, what is left is one broken record.
class JsonArrayDecoder final : public Decoder {
 public:
  explicit JsonArrayDecoder(const DecoderConfig& config) : reader_(config, false), rows_(config.schema) {}

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
        decode_record(element, end, utf8, reader_, rows_, padded_, number++);
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
    rows_.reject_row(bytes, Code::malformed_record, std::move(reason), number);
  }

  JsonRecordReader reader_;
  RowWriter rows_;
  std::string padded_;
};

}  // namespace

Result<std::unique_ptr<Decoder>> make_json_decoder(const DecoderConfig& config) {
  for (const Field& field : config.schema->fields()) {
    if (!json_holds(field.type)) {
      return user_error(Code::bad_config, fmt::format("format {} cannot fill column {} of type {}", config.format,
                                                      field.name, field.type.ToString()));
    }
  }
  if (config.format == "json") return std::unique_ptr<Decoder>(std::make_unique<JsonArrayDecoder>(config));
  return std::unique_ptr<Decoder>(std::make_unique<NdjsonDecoder>(config, config.format == "changelog-ndjson"));
}

}  // namespace headrace
