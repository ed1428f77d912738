#include "codec/csv.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <optional>

#include "codec/json_value.h"
#include "codec/plain_scan.h"
#include "codec/records.h"
#include "codec/row_writer.h"

namespace headrace {
namespace {

constexpr size_t npos = std::string_view::npos;

/// A field as it stands in the record; a quoted one still holds its doubled quotes.
struct CsvField {
  std::string_view text;
  bool quoted = false;
  bool doubled = false;
};

enum class Split : uint8_t { ok, text_after_quote, open_quote };

/// Takes the first record of `bytes` apart; `length` is its end (behind the line end) whenever the split is ok.
Split split_record(std::string_view bytes, char delimiter, std::vector<CsvField>& fields, size_t& length) {
  fields.clear();
  size_t at = 0;
  while (true) {
    CsvField field;
    if (at < bytes.size() && bytes[at] == '"') {
      const size_t begin = at + 1;
      size_t close = begin;
      for (;; close += 2) {
        close = bytes.find('"', close);
        if (close == npos) return Split::open_quote;
        if (close + 1 >= bytes.size() || bytes[close + 1] != '"') break;
        field.doubled = true;
      }
      field.text = bytes.substr(begin, close - begin);
      field.quoted = true;
      at = close + 1;
      if (at < bytes.size() && bytes[at] == '\r' && (at + 1 == bytes.size() || bytes[at + 1] == '\n')) ++at;
      if (at < bytes.size() && bytes[at] != delimiter && bytes[at] != '\n') return Split::text_after_quote;
    } else {
      const size_t begin = at;
      at = static_cast<size_t>(end_of_csv_run(bytes.data() + at, bytes.data() + bytes.size(), delimiter, false) -
                               bytes.data());
      size_t end = at;
      if ((at == bytes.size() || bytes[at] == '\n') && end > begin && bytes[end - 1] == '\r') --end;
      field.text = bytes.substr(begin, end - begin);
    }
    fields.push_back(field);
    if (at == bytes.size() || bytes[at] == '\n') {
      length = std::min(at + 1, bytes.size());
      return Split::ok;
    }
    ++at;
  }
}

std::string_view unquoted(const CsvField& field, std::string& scratch) {
  if (!field.doubled) return field.text;
  scratch.clear();
  for (size_t at = 0; at < field.text.size(); ++at) {
    scratch += field.text[at];
    if (field.text[at] == '"') ++at;
  }
  return scratch;
}

/// One declared column: where its field stands, and how it is read.
struct CsvColumn {
  JsonColumn reader;
  size_t place;
};

class CsvDecoder final : public Decoder {
 public:
  explicit CsvDecoder(const DecoderConfig& config)
      : schema_(config.schema),
        declared_(config.declared ? config.declared : config.schema),
        header_(config.header),
        delimiter_(config.delimiter),
        null_text_(config.null_text),
        null_on_error_(config.null_on_error),
        reject_extra_fields_(config.reject_extra_fields),
        rows_(config.schema),
        places_(declared_->size()) {
    for (const Field& field : schema_->fields()) {
      columns_.push_back(
          {JsonColumn(field.name, field.type, JsonScalars::strict), declared_->find(field.name).value_or(npos)});
    }
  }

  Decoded decode(std::string_view bytes, std::string_view origin, int64_t first_record) override {
    rows_.begin(origin);
    if ((header_ || first_record <= 1) && bytes.starts_with(byte_order_mark))
      bytes.remove_prefix(byte_order_mark.size());
    if (header_) take_header(bytes);
    all_utf8_ = simdjson::validate_utf8(bytes.data(), bytes.size());
    int64_t line = first_record;
    while (!bytes.empty()) {
      size_t length = 0;
      const Split split = split_record(bytes, delimiter_, fields_, length);
      if (split != Split::ok) length = reject_broken(split, bytes, line);
      const std::string_view record = bytes.substr(0, length);
      if (split == Split::ok) decode_record(record, line);
      line += count_lines(record);
      bytes.remove_prefix(length);
    }
    return rows_.finish();
  }

 private:
  /// The source puts the file's header before each morsel, so that each can be decoded alone.
  void take_header(std::string_view& bytes) {
    size_t length = 0;
    if (bytes.empty() || split_record(bytes, delimiter_, fields_, length) != Split::ok) return;
    places_ = fields_.size();
    extra_field_.reset();
    for (CsvColumn& column : columns_) column.place = npos;
    for (size_t place = 0; place < fields_.size(); ++place) {
      const std::string_view name = unquoted(fields_[place], scratch_);
      for (CsvColumn& column : columns_) {
        if (same_name(column.reader.name, name)) column.place = place;
      }
      if (!extra_field_ && !declared_->find(name)) extra_field_ = name;
    }
    bytes.remove_prefix(length);
  }

  /// A quote that never closes costs its line only; otherwise it would swallow all that follows.
  size_t reject_broken(Split split, std::string_view bytes, int64_t line) {
    size_t length = end_of_first_record(Framing{split == Split::text_after_quote, delimiter_}, bytes);
    if (length == npos) length = bytes.size();
    rows_.reject_record(
        without_line_end(bytes.substr(0, length)), Code::malformed_record,
        split == Split::open_quote ? "a quoted field does not end" : "text follows a field's closing quote", line);
    return length;
  }

  static std::string_view without_line_end(std::string_view record) {
    if (record.ends_with('\n')) record.remove_suffix(1);
    if (record.ends_with('\r')) record.remove_suffix(1);
    return record;
  }

  void decode_record(std::string_view record, int64_t line) {
    // A blank line is no record, but where a record is one field: there it is NULL, which is written so.
    if (places_ > 1 && fields_.size() == 1 && fields_[0].text.empty() && !fields_[0].quoted) return;
    ValueFault fault;
    if (read_record(record, fault)) {
      rows_.keep_row(1, line);
    } else {
      rows_.reject_record(without_line_end(record), fault.code, std::move(fault.reason), line);
    }
  }

  bool read_record(std::string_view record, ValueFault& fault) {
    if (!all_utf8_ && !simdjson::validate_utf8(record.data(), record.size())) {
      fault = {Code::invalid_utf8, "the record is not UTF-8"};
      return false;
    }
    if (fields_.size() != places_) {
      fault = {fields_.size() < places_ ? Code::missing_field : Code::extra_field,
               fmt::format("the record has {} fields instead of {}", fields_.size(), places_)};
      return false;
    }
    if (reject_extra_fields_ && extra_field_) {
      fault = {Code::extra_field, fmt::format("field \"{}\" is not declared", *extra_field_)};
      return false;
    }
    for (size_t i = 0; i < columns_.size(); ++i) {
      const bool null = columns_[i].place == npos || is_null(columns_[i], fields_[columns_[i].place]);
      if (null || (!read_field(i, fields_[columns_[i].place], fault) && null_on_error_)) {
        set_null(rows_.vector(i), rows_.row());
        fault = ValueFault{};
      }
      if (!fault.reason.empty()) return false;
      if ((*schema_)[i].nullable ||
          !duckdb::FlatVector::IsNull(rows_.vector(i), static_cast<duckdb::idx_t>(rows_.row())))
        continue;
      fault = {Code::missing_field, fmt::format("field \"{}\" of type {} NOT NULL is empty", columns_[i].reader.name,
                                                columns_[i].reader.type.ToString())};
      return false;
    }
    return true;
  }

  bool is_null(const CsvColumn& column, const CsvField& field) const {
    if (field.quoted) return false;
    if (field.text == null_text_) return true;
    return field.text.empty() &&
           !(column.reader.shape == JsonColumn::Shape::scalar && column.reader.scalar.kind == ScalarKind::text);
  }

  bool read_field(size_t index, const CsvField& field, ValueFault& fault) {
    const CsvColumn& column = columns_[index];
    Vector& vector = rows_.vector(index);
    const std::string_view text = unquoted(field, scratch_);
    if (column.reader.shape != JsonColumn::Shape::scalar) return read_nested(column.reader, text, vector, fault);
    if (column.reader.scalar.kind == ScalarKind::text) return rows_.put_text(index, text), true;
    const Parse parsed = store_text(column.reader.scalar, text, vector, rows_.row());
    if (parsed == Parse::ok) return true;
    fault.code = parsed == Parse::out_of_range ? Code::out_of_range : Code::wrong_type;
    fault.reason = fmt::format("field \"{}\": '{}' {} {}", column.reader.name, shortened(text),
                               parsed == Parse::out_of_range ? "does not fit" : "is not a value of type",
                               column.reader.type.ToString());
    return false;
  }

  /// Lists, structures and maps stand in a field as JSON.
  bool read_nested(const JsonColumn& column, std::string_view text, Vector& vector, ValueFault& fault) {
    const simdjson::padded_string padded(text);
    simdjson::ondemand::document document;
    simdjson::ondemand::value value;
    simdjson::error_code error = parser_.iterate(padded).get(document);
    if (!error) error = document.get_value().get(value);
    if (!error && read_json_value(column, value, vector, rows_.row(), fault)) return true;
    if (error) {
      fault.code = Code::wrong_type;
      fault.reason = fmt::format("field \"{}\": '{}' is not a value of type {}", column.name, shortened(text),
                                 column.type.ToString());
    }
    return false;
  }

  SchemaRef schema_, declared_;
  const bool header_;
  const char delimiter_;
  const std::string null_text_;
  const bool null_on_error_, reject_extra_fields_;
  std::vector<CsvColumn> columns_;
  RowWriter rows_;
  size_t places_;                           ///< Fields that a record must have.
  std::optional<std::string> extra_field_;  ///< The first that the header names and nobody declared.
  bool all_utf8_ = true;
  std::vector<CsvField> fields_;
  std::string scratch_;
  simdjson::ondemand::parser parser_;
};

}  // namespace

Result<std::unique_ptr<Decoder>> make_csv_decoder(const DecoderConfig& config) {
  for (const Field& field : config.schema->fields()) {
    if (!json_holds(field.type)) {
      return user_error(Code::bad_config,
                        fmt::format("format csv cannot fill column {} of type {}", field.name, field.type.ToString()));
    }
  }
  return std::unique_ptr<Decoder>(std::make_unique<CsvDecoder>(config));
}

bool split_csv_record(std::string_view record, char delimiter, std::vector<std::string>& fields) {
  std::vector<CsvField> split;
  size_t length = 0;
  std::string scratch;
  if (split_record(record, delimiter, split, length) != Split::ok) return false;
  fields.clear();
  for (const CsvField& field : split) fields.emplace_back(unquoted(field, scratch));
  return true;
}

}  // namespace headrace
