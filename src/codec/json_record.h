// One JSON object into one row of columns: what the formats of JSON records have in common.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "codec/decoder.h"
#include "codec/json_value.h"
#include "codec/row_writer.h"

namespace headrace {

/// What a record says of its row.
enum class Operation : uint8_t { insert, update_before, update_after, remove };

/// Decodes one JSON object at a time into the row writer. Most records have their fields in the same order, so the name
/// at each place is compared with the one that stood there last; only another name is looked up. And most values are
/// plain (numbers, texts without escapes): such records are read in one pass over their bytes. All others, the broken
/// ones among them, are simdjson's.
class JsonRecordReader {
 public:
  /// `operations`: a field "_op" says what the record does to its row.
  JsonRecordReader(const DecoderConfig& config, JsonScalars scalars, bool operations);

  /// Reads an object into the row that is being written. `readable` bytes from the text's begin on may be touched, at
  /// least SIMDJSON_PADDING more than it has. `utf8`: the text is known to be UTF-8. False: fault() says why.
  bool read(std::string_view text, size_t readable, bool utf8, RowWriter& rows) {
    return (utf8 && read_plain(text, rows)) || read_carefully(text, {}, readable, rows);
  }
  /// Reads the row as it was before an update: `text` is the row after it, `changed` has the fields that were
  /// different.
  bool read_before(std::string_view text, std::string_view changed, size_t readable, RowWriter& rows) {
    return read_carefully(text, changed, readable, rows);
  }
  /// Reads the row of a removal: of a source with a key only the key must be there.
  bool read_removed(std::string_view text, size_t readable, RowWriter& rows);
  /// True when the object has a field of the key.
  bool names_key(std::string_view text, size_t readable);

  Operation operation() const { return operation_; }
  ValueFault& fault() { return fault_; }

 private:
  /// What a field's value is for.
  enum class Use : uint8_t { column, skip, operation, extra };

  /// A field name as it stands in the records, and what to do with its value.
  struct FieldName {
    std::string quoted;  ///< The name with its closing quote: one comparison finds both.
    Use use = Use::skip;
    size_t column = 0;
    bool exact = true;  ///< Spelled as declared; such a field beats one that differs in case.
  };

  struct Seen {
    uint64_t record = 0;
    bool exact = false;
  };

  bool read_plain(std::string_view text, RowWriter& rows);
  bool read_carefully(std::string_view text, std::string_view changed, size_t readable, RowWriter& rows);
  bool read_object(std::string_view text, size_t readable, RowWriter& rows);
  simdjson::error_code begin(std::string_view text, size_t readable, simdjson::ondemand::document& document);
  bool broken(simdjson::error_code error);
  bool read_fields(simdjson::ondemand::object object, std::string_view text, RowWriter& rows);
  bool read_plain_fields(const char* at, const char* end, RowWriter& rows);
  bool skip_plain_value(const FieldName& name, const char*& at, const char* end) const;
  bool read_plain_value(size_t column, const char*& at, const char* end, RowWriter& rows);
  simdjson::error_code look_up(simdjson::ondemand::field& field, const char* end, size_t place, const FieldName*& name);
  FieldName name_of_field(const std::string& quoted, std::string_view plain) const;
  bool read_field(const FieldName& name, simdjson::ondemand::value value, RowWriter& rows);
  bool read_operation(simdjson::ondemand::value value);
  bool fill_missing(RowWriter& rows);
  bool must_be_there(size_t column) const;

  SchemaRef schema_, declared_;
  const std::vector<size_t> key_;
  const bool reject_extra_fields_, null_on_error_, operations_;
  std::vector<JsonColumn> columns_;
  simdjson::ondemand::parser parser_;
  std::unordered_map<std::string, FieldName> names_;
  std::vector<const FieldName*> expected_;  ///< By place in the record.
  std::vector<Seen> seen_;                  ///< By column.
  uint64_t record_ = 0;
  size_t columns_seen_ = 0;
  bool some_not_null_ = false;
  bool nulls_ = false;  ///< The plain record has a null.
  Operation operation_ = Operation::insert;
  ValueFault fault_;
};

/// A record with bytes behind it that simdjson may touch: in place where enough follow it, else from a copy with
/// padding.
struct PaddedRecord {
  std::string_view text;
  size_t readable = 0;

  PaddedRecord(std::string_view record, const char* readable_end, std::string& copy);
};

/// Errors: bad_config (a column of a type that JSON cannot fill).
Result<> check_json_columns(const DecoderConfig& config);

}  // namespace headrace
