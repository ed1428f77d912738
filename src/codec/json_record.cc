#include "codec/json_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "codec/plain_scan.h"

namespace headrace {
namespace {

namespace ondemand = simdjson::ondemand;
using simdjson::SIMDJSON_PADDING;

/// Field names remembered per decoder. Records may name anything, so this has a limit.
constexpr size_t names_max = 4096;

bool stands_at(const std::string& quoted, const char* at, const char* end) {
  return static_cast<size_t>(end - at) > quoted.size() && std::memcmp(at, quoted.data(), quoted.size()) == 0;
}

}  // namespace

JsonRecordReader::JsonRecordReader(const DecoderConfig& config, JsonScalars scalars, bool operations)
    : schema_(config.schema),
      declared_(config.declared ? config.declared : config.schema),
      key_(config.key),
      reject_extra_fields_(config.reject_extra_fields),
      null_on_error_(config.null_on_error),
      operations_(operations),
      seen_(config.schema->size()) {
  for (const Field& field : schema_->fields()) {
    columns_.emplace_back(field.name, field.type, scalars);
    some_not_null_ = some_not_null_ || !field.nullable;
  }
}

bool JsonRecordReader::read_removed(std::string_view text, size_t readable, RowWriter& rows) {
  fault_ = ValueFault{};
  ++record_;
  columns_seen_ = 0;
  operation_ = Operation::remove;
  return read_object(text, readable, rows) && fill_missing(rows);
}

bool JsonRecordReader::names_key(std::string_view text, size_t readable) {
  ondemand::document document;
  ondemand::object object;
  if (begin(text, readable, document) || document.get_object().get(object)) return false;
  for (auto field : object) {
    std::string_view name;
    if (field.unescaped_key().get(name)) return false;
    if (std::any_of(key_.begin(), key_.end(), [&](size_t column) { return same_name((*schema_)[column].name, name); }))
      return true;
  }
  return false;
}

bool JsonRecordReader::read_carefully(std::string_view text, std::string_view changed, size_t readable,
                                      RowWriter& rows) {
  fault_ = ValueFault{};
  ++record_;
  columns_seen_ = 0;
  operation_ = Operation::insert;
  if (!read_object(text, readable, rows)) return false;
  // A field that comes again replaces what stood before.
  const size_t readable_changed = readable - static_cast<size_t>(changed.empty() ? 0 : changed.data() - text.data());
  if (!changed.empty() && !read_object(changed, readable_changed, rows)) return false;
  return fill_missing(rows);
}

simdjson::error_code JsonRecordReader::begin(std::string_view text, size_t readable, ondemand::document& document) {
  if (text.size() > parser_.capacity()) {
    if (auto error = parser_.allocate(std::max(text.size(), 2 * parser_.capacity()))) return error;
  }
  return parser_.iterate(text.data(), text.size(), readable).get(document);
}

bool JsonRecordReader::read_object(std::string_view text, size_t readable, RowWriter& rows) {
  ondemand::document document;
  if (auto error = begin(text, readable, document)) return broken(error);
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
  return true;
}

/// Reads a record whose fields stand as in the record before and whose values are plain. False: read_carefully() has to
/// look at it; the row is as it was.
bool JsonRecordReader::read_plain(std::string_view text, RowWriter& rows) {
  if (expected_.empty() || text.size() < 2 || text.front() != '{' || text.back() != '}') return false;
  ++record_;
  columns_seen_ = 0;
  nulls_ = false;
  operation_ = Operation::insert;
  const bool whole = read_plain_fields(text.data() + 1, text.data() + text.size(), rows);
  if (whole && columns_seen_ == columns_.size() && !(nulls_ && some_not_null_)) return true;
  if (whole && fill_missing(rows)) return true;
  for (size_t column = 0; column < columns_.size(); ++column) set_valid(rows.vector(column), rows.row());
  return false;
}

bool JsonRecordReader::broken(simdjson::error_code error) {
  fault_.code = error == simdjson::UTF8_ERROR ? Code::invalid_utf8 : Code::malformed_record;
  fault_.reason = simdjson::error_message(error);
  return false;
}

bool JsonRecordReader::read_fields(ondemand::object object, std::string_view text, RowWriter& rows) {
  size_t place = 0;
  const char* const end = text.data() + text.size();
  for (auto result : object) {
    ondemand::field field;
    if (auto error = std::move(result).get(field)) return broken(error);
    const FieldName* name = place < expected_.size() ? expected_[place] : nullptr;
    if (name == nullptr || !stands_at(name->quoted, field.key().raw(), end)) {
      if (auto error = look_up(field, end, place, name)) return broken(error);
    }
    ++place;
    if (!read_field(*name, field.value(), rows)) return false;
  }
  return true;
}

bool JsonRecordReader::read_plain_fields(const char* at, const char* const end, RowWriter& rows) {
  for (const FieldName* name : expected_) {
    if (*at != '"' || !stands_at(name->quoted, at + 1, end)) return false;
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

bool JsonRecordReader::skip_plain_value(const FieldName& name, const char*& at, const char* end) const {
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

bool JsonRecordReader::read_plain_value(size_t column, const char*& at, const char* end, RowWriter& rows) {
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

/// Finds out what a field is for, and expects it at this place from now on.
simdjson::error_code JsonRecordReader::look_up(ondemand::field& field, const char* end, size_t place,
                                               const FieldName*& name) {
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

JsonRecordReader::FieldName JsonRecordReader::name_of_field(const std::string& quoted, std::string_view plain) const {
  FieldName name{quoted};
  if (operations_ && plain == "_op") {
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

bool JsonRecordReader::read_field(const FieldName& name, ondemand::value value, RowWriter& rows) {
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
      fault_.reason = fmt::format("field \"{}: {} is not a JSON value", name.quoted, shortened(value.raw_json_token()));
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

bool JsonRecordReader::read_operation(ondemand::value value) {
  std::string_view operation;
  if (!value.get_string().get(operation)) {
    if (operation == "+I") return operation_ = Operation::insert, true;
    if (operation == "-U") return operation_ = Operation::update_before, true;
    if (operation == "+U") return operation_ = Operation::update_after, true;
    if (operation == "-D") return operation_ = Operation::remove, true;
  }
  fault_.code = Code::wrong_type;
  fault_.reason =
      fmt::format("field \"_op\": {} is none of \"+I\", \"-U\", \"+U\", \"-D\"", shortened(value.raw_json_token()));
  return false;
}

/// What goes by its key has nothing but the key.
bool JsonRecordReader::must_be_there(size_t column) const {
  const bool goes = operation_ == Operation::remove || operation_ == Operation::update_before;
  if (goes && !key_.empty()) return std::find(key_.begin(), key_.end(), column) != key_.end();
  return !(*schema_)[column].nullable;
}

/// Makes the columns that the record did not name NULL.
bool JsonRecordReader::fill_missing(RowWriter& rows) {
  if (columns_seen_ < columns_.size()) {
    for (size_t column = 0; column < columns_.size(); ++column) {
      if (seen_[column].record != record_) set_null(rows.vector(column), rows.row());
    }
  }
  for (size_t column = 0; column < columns_.size(); ++column) {
    if (!duckdb::FlatVector::IsNull(rows.vector(column), static_cast<duckdb::idx_t>(rows.row()))) continue;
    if (!must_be_there(column)) continue;
    fault_.code = Code::missing_field;
    fault_.reason = fmt::format("field \"{}\" of type {} NOT NULL is {}", columns_[column].name,
                                columns_[column].type.ToString(), seen_[column].record == record_ ? "null" : "missing");
    return false;
  }
  return true;
}

PaddedRecord::PaddedRecord(std::string_view record, const char* readable_end, std::string& copy)
    : text(record), readable(static_cast<size_t>(readable_end - record.data())) {
  if (readable >= record.size() + SIMDJSON_PADDING) return;
  copy.reserve(record.size() + SIMDJSON_PADDING);
  copy.assign(record);
  copy.append(SIMDJSON_PADDING, ' ');
  text = std::string_view(copy).substr(0, record.size());
  readable = copy.size();
}

Result<> check_json_columns(const DecoderConfig& config) {
  for (const Field& field : config.schema->fields()) {
    if (json_holds(field.type)) continue;
    return user_error(Code::bad_config, fmt::format("format {} cannot fill column {} of type {}", config.format,
                                                    field.name, field.type.ToString()));
  }
  return {};
}

}  // namespace headrace
