#include "codec/json_value.h"

#include <fmt/format.h>

#include <cctype>
#include <cstring>

namespace headrace {
namespace {

using duckdb::FlatVector;
using duckdb::list_entry_t;
using duckdb::ListVector;
using duckdb::string_t;
using duckdb::StringVector;
using duckdb::StructVector;
namespace ondemand = simdjson::ondemand;

/// JSON containers nest at most this deep inside a value; deeper ones are refused before any recursion over them.
constexpr int nesting_max = 128;

bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
bool is_digit(char c) {
  return static_cast<unsigned char>(c - '0') < 10;
}

/// A scalar's text without the white space behind it.
std::string_view token_of(ondemand::value& value) {
  std::string_view token = value.raw_json_token();
  while (!token.empty() && is_space(token.back())) token.remove_suffix(1);
  return token;
}

bool malformed(const JsonColumn& column, std::string_view text, ValueFault& fault) {
  fault.code = Code::malformed_record;
  fault.reason = fmt::format("field \"{}\": {} is not a JSON value", column.name, shortened(text));
  return false;
}

bool refuse(const JsonColumn& column, Parse parsed, std::string_view text, ValueFault& fault) {
  fault.code = parsed == Parse::out_of_range ? Code::out_of_range : Code::wrong_type;
  fault.reason =
      fmt::format("field \"{}\": {} {} {}", column.name, shortened(text),
                  parsed == Parse::out_of_range ? "does not fit" : "is not a value of type", column.type.ToString());
  return false;
}

bool broken_json(const JsonColumn& column, simdjson::error_code error, ValueFault& fault) {
  fault.code = error == simdjson::UTF8_ERROR ? Code::invalid_utf8 : Code::malformed_record;
  fault.reason = fmt::format("field \"{}\": {}", column.name, simdjson::error_message(error));
  return false;
}

/// Checks a JSON text all through: On-Demand only counts the brackets of what it passes over.
class JsonCheck {
 public:
  explicit JsonCheck(std::string_view text) : text_(text) {}
  bool whole() { return value(0) && (skip_space(), at_ == text_.size()); }

 private:
  void skip_space() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool string() {
    if (!take('"')) return false;
    for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] != '\\') continue;
      if (++at_ >= text_.size()) return false;
      if (text_[at_] == 'u') {
        for (int i = 0; i < 4; ++i) {
          if (++at_ >= text_.size() || !std::isxdigit(static_cast<unsigned char>(text_[at_]))) return false;
        }
      } else if (std::string_view("\"\\/bfnrt").find(text_[at_]) == std::string_view::npos) {
        return false;
      }
    }
    return take('"');
  }
  bool scalar() {
    const size_t begin = at_;
    while (at_ < text_.size() && !is_space(text_[at_]) &&
           std::string_view(",]}").find(text_[at_]) == std::string_view::npos)
      ++at_;
    const std::string_view token = text_.substr(begin, at_ - begin);
    return token == "true" || token == "false" || token == "null" || is_json_number(token);
  }
  bool member(int depth, bool keyed) { return (!keyed || (string() && take(':'))) && value(depth + 1); }
  bool value(int depth) {
    if (depth > nesting_max) return false;
    skip_space();
    const char first = at_ < text_.size() ? text_[at_] : '\0';
    if (first == '"') return string();
    if (first != '{' && first != '[') return scalar();
    const char close = first == '{' ? '}' : ']';
    ++at_;
    if (take(close)) return true;
    do {
      if (!member(depth, first == '{')) return false;
    } while (take(','));
    return take(close);
  }

  std::string_view text_;
  size_t at_ = 0;
};

/// The text of a container from its first bracket to its last.
bool raw_container(const JsonColumn& column, ondemand::value value, bool is_object, std::string_view& text,
                   ValueFault& fault) {
  simdjson::error_code error;
  if (is_object) {
    ondemand::object object;
    error = value.get_object().get(object);
    if (!error) error = object.raw_json().get(text);
  } else {
    ondemand::array array;
    error = value.get_array().get(array);
    if (!error) error = array.raw_json().get(text);
  }
  if (error) return broken_json(column, error, fault);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return JsonCheck(text).whole() || malformed(column, text, fault);
}

bool read_string_text(const JsonColumn& column, ondemand::value& value, std::string_view token, std::string_view& text,
                      ValueFault& fault) {
  if (token.size() < 2 || token.back() != '"') return malformed(column, token, fault);
  text = token.substr(1, token.size() - 2);
  if (std::memchr(text.data(), '\\', text.size()) == nullptr) return true;
  if (auto error = value.get_string().get(text)) return broken_json(column, error, fault);
  return true;
}

bool is_number_kind(ScalarKind kind) {
  return kind <= ScalarKind::decimal128;
}
bool is_integer_kind(ScalarKind kind) {
  return kind <= ScalarKind::int128;
}

bool read_scalar(const JsonColumn& column, ondemand::value value, std::string_view token, Vector& vector, int64_t row,
                 ValueFault& fault) {
  const ScalarKind kind = column.scalar.kind;
  const bool loose = column.scalars == JsonScalars::loose;
  std::string_view text = token;
  switch (token.front()) {
    case '"': {
      if (!read_string_text(column, value, token, text, fault)) return false;
      // "NaN" and exact decimals come as strings; an integer or a boolean in quotes is another type.
      if (!loose && (is_integer_kind(kind) || kind == ScalarKind::boolean))
        return refuse(column, Parse::wrong_type, token, fault);
      break;
    }
    case '{':
    case '[':
      if (!raw_container(column, value, token.front() == '{', text, fault)) return false;
      if (kind != ScalarKind::text) return refuse(column, Parse::wrong_type, text, fault);
      break;
    case 't':
    case 'f':
      if (token != "true" && token != "false") return malformed(column, token, fault);
      if (kind != ScalarKind::boolean && kind != ScalarKind::text)
        return refuse(column, Parse::wrong_type, token, fault);
      break;
    default:
      if (!is_json_number(token)) return malformed(column, token, fault);
      if (loose && kind == ScalarKind::boolean) break;
      if (!is_number_kind(kind) && kind != ScalarKind::text) return refuse(column, Parse::wrong_type, token, fault);
  }
  const Parse parsed = store_text(column.scalar, text, vector, row);
  return parsed == Parse::ok || refuse(column, parsed, token.front() == '"' ? token : text, fault);
}

bool read_list(const JsonColumn& column, ondemand::value value, Vector& vector, int64_t row, ValueFault& fault) {
  ondemand::array array;
  if (auto error = value.get_array().get(array)) return broken_json(column, error, fault);
  const uint64_t begin = ListVector::GetListSize(vector);
  uint64_t end = begin;
  for (auto element : array) {
    ondemand::value inner;
    if (auto error = element.get(inner)) return broken_json(column, error, fault);
    ListVector::Reserve(vector, end + 1);
    Vector& child = ListVector::GetEntry(vector);
    set_valid(child, static_cast<int64_t>(end));
    if (!read_json_value(column.parts[0], inner, child, static_cast<int64_t>(end), fault)) return false;
    ListVector::SetListSize(vector, ++end);
  }
  FlatVector::GetData<list_entry_t>(vector)[row] = list_entry_t(begin, end - begin);
  return true;
}

bool read_structure(const JsonColumn& column, ondemand::value value, Vector& vector, int64_t row, ValueFault& fault) {
  ondemand::object object;
  if (auto error = value.get_object().get(object)) return broken_json(column, error, fault);
  auto& children = StructVector::GetEntries(vector);
  for (auto& child : children) set_null(*child, row);
  for (auto field : object) {
    std::string_view key;
    if (auto error = field.unescaped_key().get(key)) return broken_json(column, error, fault);
    size_t part = 0;
    while (part < column.parts.size() && !same_name(column.parts[part].name, key)) ++part;
    if (part == column.parts.size()) continue;
    ondemand::value inner;
    if (auto error = field.value().get(inner)) return broken_json(column, error, fault);
    set_valid(*children[part], row);
    if (!read_json_value(column.parts[part], inner, *children[part], row, fault)) return false;
  }
  return true;
}

bool read_map(const JsonColumn& column, ondemand::value value, Vector& vector, int64_t row, ValueFault& fault) {
  ondemand::object object;
  if (auto error = value.get_object().get(object)) return broken_json(column, error, fault);
  const uint64_t begin = ListVector::GetListSize(vector);
  uint64_t end = begin;
  std::vector<std::string> keys;  // Of this cell: a key that comes again replaces its value.
  for (auto field : object) {
    std::string_view key;
    if (auto error = field.unescaped_key().get(key)) return broken_json(column, error, fault);
    uint64_t entry = begin;
    while (entry < end && keys[entry - begin] != key) ++entry;
    ListVector::Reserve(vector, entry + 1);
    auto& parts = StructVector::GetEntries(ListVector::GetEntry(vector));
    set_valid(ListVector::GetEntry(vector), static_cast<int64_t>(entry));
    if (entry == end) {
      const Parse parsed = store_text(column.parts[0].scalar, key, *parts[0], static_cast<int64_t>(entry));
      if (parsed != Parse::ok) return refuse(column.parts[0], parsed, key, fault);
      keys.emplace_back(key);
      ListVector::SetListSize(vector, ++end);
    }
    ondemand::value inner;
    if (auto error = field.value().get(inner)) return broken_json(column, error, fault);
    if (!read_json_value(column.parts[1], inner, *parts[1], static_cast<int64_t>(entry), fault)) return false;
  }
  FlatVector::GetData<list_entry_t>(vector)[row] = list_entry_t(begin, end - begin);
  return true;
}

}  // namespace

bool is_json_number(std::string_view text) {
  size_t at = 0;
  auto digits = [&] {
    const size_t begin = at;
    while (at < text.size() && is_digit(text[at])) ++at;
    return at - begin;
  };
  if (at < text.size() && text[at] == '-') ++at;
  const size_t first = at;
  const size_t whole = digits();
  if (whole == 0 || (whole > 1 && text[first] == '0')) return false;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (digits() == 0) return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    if (digits() == 0) return false;
  }
  return at == text.size();
}

bool plausible_scalar(std::string_view token) {
  while (!token.empty() && is_space(token.back())) token.remove_suffix(1);
  if (token.empty()) return false;
  switch (token.front()) {
    case '"':
      return token.size() >= 2 && token.back() == '"';
    case '{':
    case '[':
      return true;
    case 't':
      return token == "true";
    case 'f':
      return token == "false";
    case 'n':
      return token == "null";
    default:
      return is_json_number(token);
  }
}

JsonColumn::JsonColumn(std::string name_, const LogicalType& type_, JsonScalars scalars_)
    : name(std::move(name_)), type(type_), scalars(scalars_) {
  switch (type.id()) {
    case LogicalTypeId::LIST:
      shape = Shape::list;
      parts.emplace_back(name + "[]", duckdb::ListType::GetChildType(type), scalars);
      break;
    case LogicalTypeId::STRUCT:
      shape = Shape::structure;
      for (const auto& [part, part_type] : duckdb::StructType::GetChildTypes(type))
        parts.emplace_back(part, part_type, scalars);
      break;
    case LogicalTypeId::MAP:
      shape = Shape::map;
      parts.emplace_back(name + ".key", duckdb::MapType::KeyType(type), scalars);
      parts.emplace_back(name + ".value", duckdb::MapType::ValueType(type), scalars);
      break;
    default:
      scalar = scalar_type(type);
  }
}

bool json_holds(const LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::ARRAY:
    case LogicalTypeId::UNION:
    case LogicalTypeId::INVALID:
    case LogicalTypeId::UNKNOWN:
    case LogicalTypeId::ANY:
      return false;
    case LogicalTypeId::LIST:
      return json_holds(duckdb::ListType::GetChildType(type));
    case LogicalTypeId::MAP:
      return !duckdb::MapType::KeyType(type).IsNested() && json_holds(duckdb::MapType::ValueType(type));
    case LogicalTypeId::STRUCT:
      for (const auto& part : duckdb::StructType::GetChildTypes(type)) {
        if (!json_holds(part.second)) return false;
      }
      return true;
    default:
      return true;
  }
}

void set_null(Vector& vector, int64_t row) {
  FlatVector::SetNull(vector, static_cast<duckdb::idx_t>(row), true);
}

void set_valid(Vector& vector, int64_t row) {
  auto& validity = FlatVector::Validity(vector);
  if (!validity.AllValid()) validity.SetValid(static_cast<duckdb::idx_t>(row));
  if (vector.GetType().InternalType() == duckdb::PhysicalType::STRUCT) {
    for (auto& child : StructVector::GetEntries(vector)) set_valid(*child, row);
  }
}

std::string shortened(std::string_view text) {
  constexpr size_t characters_max = 80;
  size_t characters = 0, at = 0;
  for (; at < text.size(); ++at) {
    const bool begins_character = (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
    if (begins_character && characters++ == characters_max) return std::string(text.substr(0, at)) + "...";
  }
  return std::string(text);
}

bool read_json_value(const JsonColumn& column, ondemand::value value, Vector& vector, int64_t row, ValueFault& fault) {
  const std::string_view token = token_of(value);
  if (token.empty()) return malformed(column, token, fault);
  if (token.front() == 'n') {
    if (token != "null") return malformed(column, token, fault);
    set_null(vector, row);
    return true;
  }
  switch (column.shape) {
    case JsonColumn::Shape::scalar:
      return read_scalar(column, value, token, vector, row, fault);
    case JsonColumn::Shape::list:
      if (token.front() != '[') return refuse(column, Parse::wrong_type, token, fault);
      return read_list(column, value, vector, row, fault);
    case JsonColumn::Shape::structure:
    case JsonColumn::Shape::map:
      if (token.front() != '{') return refuse(column, Parse::wrong_type, token, fault);
      return column.shape == JsonColumn::Shape::map ? read_map(column, value, vector, row, fault)
                                                    : read_structure(column, value, vector, row, fault);
  }
  return false;
}

}  // namespace headrace
