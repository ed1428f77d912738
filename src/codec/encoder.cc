#include "codec/encoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <vector>

#include "base/json_text.h"
#include "codec/plain_scan.h"
#include "codec/scalar_text.h"
#include "duck/cast.h"
#include "duck/value_types.h"

namespace headrace {
namespace {

using duckdb::FlatVector;
using duckdb::hugeint_t;
using duckdb::list_entry_t;
using duckdb::ListVector;
using duckdb::string_t;
using duckdb::StructVector;
using duckdb::UnifiedVectorFormat;

void append_digits(std::string& out, int64_t value, int width) {
  char text[20];
  for (int i = width; i-- > 0; value /= 10) text[i] = static_cast<char>('0' + value % 10);
  out.append(text, static_cast<size_t>(width));
}

template <class T>
void append_number(std::string& out, T value) {
  char text[48];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out.append(text, static_cast<size_t>(end - text));
}

void append_unsigned(std::string& out, unsigned __int128 value) {
  constexpr uint64_t chunk = 1'000'000'000'000'000'000;
  if (value < chunk) return append_number(out, static_cast<uint64_t>(value));
  append_unsigned(out, value / chunk);
  append_digits(out, static_cast<int64_t>(value % chunk), 18);
}

__int128 to_int128(hugeint_t value) {
  return static_cast<__int128>(value.upper) << 64 | value.lower;
}

/// An unscaled decimal with its point; HUGEINT with scale 0.
void append_decimal(std::string& out, __int128 value, int scale) {
  unsigned __int128 magnitude =
      value < 0 ? -static_cast<unsigned __int128>(value) : static_cast<unsigned __int128>(value);
  if (value < 0) out += '-';
  if (scale == 0) return append_unsigned(out, magnitude);
  std::string digits;
  append_unsigned(digits, magnitude);
  const size_t point = static_cast<size_t>(scale);
  if (digits.size() <= point) digits.insert(0, point + 1 - digits.size(), '0');
  out.append(digits, 0, digits.size() - point);
  out += '.';
  out.append(digits, digits.size() - point);
}

/// The date of a day number as "YYYY-MM-DD" (Howard Hinnant's civil_from_days). False outside the years 1 to 9999.
bool append_date(std::string& out, int64_t days) {
  constexpr int64_t first = -719'162, last = 2'932'896;
  if (days < first || days > last) return false;
  const int64_t shifted = days + 719'468;
  const int64_t era = shifted / 146'097;
  const int64_t day_of_era = shifted - era * 146'097;
  const int64_t year_of_era = (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t month_shifted = (5 * day_of_year + 2) / 153;
  const int64_t month = month_shifted + (month_shifted < 10 ? 3 : -9);
  append_digits(out, year_of_era + era * 400 + (month <= 2), 4);
  out += '-';
  append_digits(out, month, 2);
  out += '-';
  append_digits(out, day_of_year - (153 * month_shifted + 2) / 5 + 1, 2);
  return true;
}

void append_time(std::string& out, int64_t us) {
  const int64_t seconds = us / 1'000'000, fraction = us % 1'000'000;
  append_digits(out, seconds / 3600, 2);
  out += ':';
  append_digits(out, seconds / 60 % 60, 2);
  out += ':';
  append_digits(out, seconds % 60, 2);
  if (fraction == 0) return;
  out += '.';
  append_digits(out, fraction, 6);
  while (out.back() == '0') out.pop_back();
}

bool append_timestamp(std::string& out, int64_t us) {
  constexpr int64_t us_per_day = 86'400'000'000;
  const int64_t days = us >= 0 ? us / us_per_day : -((-(us + 1)) / us_per_day + 1);
  if (!append_date(out, days)) return false;
  out += ' ';
  append_time(out, us - days * us_per_day);
  return true;
}

/// What a value's text is: JSON puts all but numbers and booleans in quotes, csv only what it must.
enum class Text : uint8_t {
  bare,   ///< A number or a boolean.
  plain,  ///< Letters, digits and marks that need no escape: times, ids, base64.
  any,
};

/// Types that seldom leave the engine, and dates outside the years 1 to 9999: as DuckDB prints them.
Text append_by_duckdb(std::string& out, const LogicalType& type, const void* data, uint64_t value) {
  const auto width = duckdb::GetTypeIdSize(type.InternalType());
  Vector one(type, static_cast<duckdb::data_ptr_t>(const_cast<void*>(data)) + value * width);
  out += value_text(one, 0);
  return Text::any;
}

/// Appends a scalar's text without quotes. `data` is the column's array, `value` the place in it.
Text append_scalar(std::string& out, const LogicalType& type, const void* data, uint64_t value) {
  auto get = [&]<class T>(T) { return static_cast<const T*>(data)[value]; };
  switch (type.id()) {
    case LogicalTypeId::BOOLEAN:
      out += get(bool{}) ? "true" : "false";
      return Text::bare;
    case LogicalTypeId::TINYINT:
      append_number(out, static_cast<int>(get(int8_t{})));
      return Text::bare;
    case LogicalTypeId::SMALLINT:
      append_number(out, get(int16_t{}));
      return Text::bare;
    case LogicalTypeId::INTEGER:
      append_number(out, get(int32_t{}));
      return Text::bare;
    case LogicalTypeId::BIGINT:
      append_number(out, get(int64_t{}));
      return Text::bare;
    case LogicalTypeId::UTINYINT:
      append_number(out, static_cast<unsigned>(get(uint8_t{})));
      return Text::bare;
    case LogicalTypeId::USMALLINT:
      append_number(out, get(uint16_t{}));
      return Text::bare;
    case LogicalTypeId::UINTEGER:
      append_number(out, get(uint32_t{}));
      return Text::bare;
    case LogicalTypeId::UBIGINT:
      append_number(out, get(uint64_t{}));
      return Text::bare;
    case LogicalTypeId::HUGEINT:
      append_decimal(out, to_int128(get(hugeint_t{})), 0);
      return Text::bare;
    case LogicalTypeId::DECIMAL: {
      const int scale = duckdb::DecimalType::GetScale(type);
      switch (type.InternalType()) {
        case duckdb::PhysicalType::INT16:
          append_decimal(out, get(int16_t{}), scale);
          return Text::bare;
        case duckdb::PhysicalType::INT32:
          append_decimal(out, get(int32_t{}), scale);
          return Text::bare;
        case duckdb::PhysicalType::INT64:
          append_decimal(out, get(int64_t{}), scale);
          return Text::bare;
        default:
          append_decimal(out, to_int128(get(hugeint_t{})), scale);
          return Text::bare;
      }
    }
    case LogicalTypeId::FLOAT:
    case LogicalTypeId::DOUBLE: {
      const bool wide = type.id() == LogicalTypeId::DOUBLE;
      const double number = wide ? get(double{}) : get(float{});
      if (std::isfinite(number)) {
        // Many readers take -0 for a whole number, which has no sign.
        if (number == 0 && std::signbit(number)) {
          out += "-0.0";
          return Text::bare;
        }
        wide ? append_number(out, number) : append_number(out, static_cast<float>(number));
        return Text::bare;
      }
      out += std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity";
      return Text::plain;
    }
    case LogicalTypeId::VARCHAR: {
      const string_t text = get(string_t{});
      out.append(text.GetData(), text.GetSize());
      return Text::any;
    }
    case LogicalTypeId::BLOB: {
      const string_t bytes = get(string_t{});
      append_base64(out, {bytes.GetData(), bytes.GetSize()});
      return Text::plain;
    }
    case LogicalTypeId::DATE:
      if (append_date(out, get(int32_t{}))) return Text::plain;
      break;
    case LogicalTypeId::TIME:
      append_time(out, get(int64_t{}));
      return Text::plain;
    case LogicalTypeId::TIMESTAMP:
      if (append_timestamp(out, get(int64_t{}))) return Text::plain;
      break;
    case LogicalTypeId::TIMESTAMP_TZ:
      if (!append_timestamp(out, get(int64_t{}))) break;
      out += "+00:00";
      return Text::plain;
    case LogicalTypeId::UUID:
      out += duckdb::UUID::ToString(get(hugeint_t{}));
      return Text::plain;
    default:
      break;
  }
  return append_by_duckdb(out, type, data, value);
}

void append_scalar_json(std::string& out, const LogicalType& type, const void* data, uint64_t value) {
  if (type.id() == LogicalTypeId::VARCHAR) {
    const string_t text = static_cast<const string_t*>(data)[value];
    return append_json_string(out, {text.GetData(), text.GetSize()});
  }
  const size_t begin = out.size();
  switch (append_scalar(out, type, data, value)) {
    case Text::bare:
      return;
    case Text::plain:
      out.insert(begin, 1, '"');
      out += '"';
      return;
    case Text::any: {
      const std::string text = out.substr(begin);
      out.resize(begin);
      append_json_string(out, text);
    }
  }
}

/// A nested value; every vector below `flat` is flat.
void append_flat_json(std::string& out, const Vector& flat, uint64_t row) {
  if (FlatVector::IsNull(flat, row)) {
    out += "null";
    return;
  }
  switch (flat.GetType().id()) {
    case LogicalTypeId::LIST: {
      const list_entry_t entry = FlatVector::GetData<list_entry_t>(flat)[row];
      out += '[';
      for (uint64_t i = 0; i < entry.length; ++i) {
        if (i > 0) out += ',';
        append_flat_json(out, ListVector::GetEntry(flat), entry.offset + i);
      }
      out += ']';
      return;
    }
    case LogicalTypeId::MAP: {
      const list_entry_t entry = FlatVector::GetData<list_entry_t>(flat)[row];
      const auto& parts = StructVector::GetEntries(ListVector::GetEntry(flat));
      const Vector& key_vector = *parts[0];
      out += '{';
      for (uint64_t i = 0; i < entry.length; ++i) {
        if (i > 0) out += ',';
        std::string key;
        append_scalar(key, key_vector.GetType(), FlatVector::GetDataUnsafe<uint8_t>(key_vector), entry.offset + i);
        append_json_string(out, key);
        out += ':';
        append_flat_json(out, *parts[1], entry.offset + i);
      }
      out += '}';
      return;
    }
    case LogicalTypeId::STRUCT: {
      const auto& parts = StructVector::GetEntries(flat);
      const auto& types = duckdb::StructType::GetChildTypes(flat.GetType());
      out += '{';
      for (size_t i = 0; i < parts.size(); ++i) {
        if (i > 0) out += ',';
        // ROW(a, b) names none of its fields; an object with one name twice would lose one of them.
        append_json_string(out, types[i].first.empty() ? fmt::format("f{}", i) : types[i].first);
        out += ':';
        append_flat_json(out, *parts[i], row);
      }
      out += '}';
      return;
    }
    default:
      return append_scalar_json(out, flat.GetType(), FlatVector::GetDataUnsafe<uint8_t>(flat), row);
  }
}

/// Rows [offset, offset + rows) of a column, made readable once: scalars through DuckDB's unified form, nested ones
/// from a flat copy (their parts may each be laid out in another way).
class ReadableColumn {
 public:
  ReadableColumn(const Vector& column, uint64_t offset, uint64_t rows) : type_(column.GetType()), offset_(offset) {
    if (type_.IsNested()) {
      flat_.emplace(type_, std::max<uint64_t>(rows, 1));
      duckdb::VectorOperations::Copy(column, *flat_, offset + rows, offset, 0);
    } else {
      // DuckDB lacks the const here: what the vector holds stays the same.
      const_cast<Vector&>(column).ToUnifiedFormat(offset + rows, format_);
    }
  }

  bool is_null(uint64_t row) const {
    return flat_ ? FlatVector::IsNull(*flat_, row)
                 : !format_.validity.RowIsValid(format_.sel->get_index(offset_ + row));
  }
  void append_json(std::string& out, uint64_t row) const {
    if (flat_) return append_flat_json(out, *flat_, row);
    if (is_null(row)) {
      out += "null";
    } else {
      append_scalar_json(out, type_, format_.data, format_.sel->get_index(offset_ + row));
    }
  }
  /// A value that is not NULL as csv has it, without quotes: a scalar bare, a nested value as JSON.
  Text append_text(std::string& out, uint64_t row) const {
    if (!flat_) return append_scalar(out, type_, format_.data, format_.sel->get_index(offset_ + row));
    append_flat_json(out, *flat_, row);
    return Text::any;
  }

 private:
  const LogicalType type_;
  const uint64_t offset_;
  UnifiedVectorFormat format_;
  std::optional<Vector> flat_;
};

std::vector<ReadableColumn> readable_columns(const Batch& batch) {
  std::vector<ReadableColumn> columns;
  columns.reserve(batch.chunk.ColumnCount());
  for (const Vector& column : batch.chunk.data) columns.emplace_back(column, 0, batch.chunk.size());
  return columns;
}

std::string_view operation_of(int32_t diff) {
  return diff > 0 ? "+I" : "-D";
}

/// Tells which rows of a batch are updates: one goes and, right behind it, one comes with the same key.
class Updates {
 public:
  explicit Updates(std::vector<size_t> key) : key_(std::move(key)) {}

  /// True when row `row` goes and the next one takes its place.
  bool begins_at(const Batch& batch, const std::vector<ReadableColumn>& columns, uint64_t row) {
    if (key_.empty() || row + 1 >= batch.chunk.size()) return false;
    if (batch.diff(static_cast<int64_t>(row)) != -1 || batch.diff(static_cast<int64_t>(row + 1)) != 1) return false;
    return std::all_of(key_.begin(), key_.end(), [&](size_t column) {
      old_.clear();
      new_.clear();
      columns[column].append_json(old_, row);
      columns[column].append_json(new_, row + 1);
      return old_ == new_;
    });
  }

 private:
  const std::vector<size_t> key_;
  std::string old_, new_;
};

class NdjsonEncoder final : public Encoder {
 public:
  explicit NdjsonEncoder(const EncoderConfig& config) : changes_(config.changes), updates_(config.key) {
    std::string separator = "{";
    if (changes_ != Changes::append) {
      opening_ = "{" + json_string(config.op_column) + ":\"";
      separator = "\",";
    }
    for (const Field& field : config.schema->fields()) {
      keys_.push_back(separator + json_string(field.name) + ":");
      separator = ",";
    }
  }

  std::string prologue() const override { return ""; }

  void encode(const Batch& batch, std::string& out) override {
    const std::vector<ReadableColumn> columns = readable_columns(batch);
    for (uint64_t row = 0; row < batch.chunk.size(); ++row) {
      const int32_t diff = batch.diff(static_cast<int64_t>(row));
      if (updates_.begins_at(batch, columns, row)) {
        append_row(out, columns, row, "-U");
        append_row(out, columns, ++row, "+U");
        continue;
      }
      for (int32_t copy = 0; copy < std::abs(diff); ++copy) append_row(out, columns, row, operation_of(diff));
    }
  }

 private:
  void append_row(std::string& out, const std::vector<ReadableColumn>& columns, uint64_t row,
                  std::string_view operation) const {
    if (changes_ != Changes::append) {
      out += opening_;
      out += operation;
    }
    for (size_t column = 0; column < columns.size(); ++column) {
      out += keys_[column];
      columns[column].append_json(out, row);
    }
    out += "}\n";
  }

  const Changes changes_;
  Updates updates_;
  std::string opening_;
  std::vector<std::string> keys_;  ///< What stands before each value.
};

class CsvEncoder final : public Encoder {
 public:
  explicit CsvEncoder(const EncoderConfig& config)
      : changes_(config.changes), updates_(config.key), delimiter_(config.delimiter) {
    if (!config.header) return;
    if (changes_ != Changes::append) append_quoted(prologue_, config.op_column, false);
    for (const Field& field : config.schema->fields()) {
      if (!prologue_.empty()) prologue_ += delimiter_;
      append_quoted(prologue_, field.name, true);
    }
    prologue_ += '\n';
  }

  std::string prologue() const override { return prologue_; }

  void encode(const Batch& batch, std::string& out) override {
    const std::vector<ReadableColumn> columns = readable_columns(batch);
    for (uint64_t row = 0; row < batch.chunk.size(); ++row) {
      const int32_t diff = batch.diff(static_cast<int64_t>(row));
      if (updates_.begins_at(batch, columns, row)) {
        append_row(out, columns, row, "-U");
        append_row(out, columns, ++row, "+U");
        continue;
      }
      for (int32_t copy = 0; copy < std::abs(diff); ++copy) append_row(out, columns, row, operation_of(diff));
    }
  }

 private:
  void append_row(std::string& out, const std::vector<ReadableColumn>& columns, uint64_t row,
                  std::string_view operation) {
    if (changes_ != Changes::append) out += operation;
    for (size_t column = 0; column < columns.size(); ++column) {
      if (column > 0 || changes_ != Changes::append) out += delimiter_;
      if (!columns[column].is_null(row)) append_field(out, columns[column], row);
    }
    out += '\n';
  }

  /// NULL is an empty field, an empty text is "".
  void append_field(std::string& out, const ReadableColumn& column, uint64_t row) {
    const size_t begin = out.size();
    column.append_text(out, row);
    if (out.size() > begin && !has_special(std::string_view(out).substr(begin))) return;
    scratch_.assign(out, begin);
    out.resize(begin);
    append_quoted(out, scratch_, true);
  }

  bool has_special(std::string_view text) const {
    const char* end = text.data() + text.size();
    return end_of_csv_run(text.data(), end, delimiter_, true) != end;
  }

  void append_quoted(std::string& out, std::string_view text, bool quote_empty) const {
    if (text.empty() ? !quote_empty : !has_special(text)) {
      out += text;
      return;
    }
    out += '"';
    for (char c : text) {
      if (c == '"') out += '"';
      out += c;
    }
    out += '"';
  }

  const Changes changes_;
  Updates updates_;
  const char delimiter_;
  std::string prologue_, scratch_;
};

/// Change events as Debezium writes them: c, u and d.
class DebeziumEncoder final : public Encoder {
 public:
  explicit DebeziumEncoder(const EncoderConfig& config) : updates_(config.key) {
    for (const Field& field : config.schema->fields())
      keys_.push_back((keys_.empty() ? "{" : ",") + json_string(field.name) + ":");
  }

  std::string prologue() const override { return ""; }

  void encode(const Batch& batch, std::string& out) override {
    const std::vector<ReadableColumn> columns = readable_columns(batch);
    for (uint64_t row = 0; row < batch.chunk.size(); ++row) {
      const int32_t diff = batch.diff(static_cast<int64_t>(row));
      if (updates_.begins_at(batch, columns, row)) {
        append_event(out, columns, row, row + 1, 'u');
        ++row;
        continue;
      }
      for (int32_t copy = 0; copy < std::abs(diff); ++copy)
        diff > 0 ? append_event(out, columns, std::nullopt, row, 'c')
                 : append_event(out, columns, row, std::nullopt, 'd');
    }
  }

 private:
  void append_event(std::string& out, const std::vector<ReadableColumn>& columns, std::optional<uint64_t> before,
                    std::optional<uint64_t> after, char operation) const {
    out += "{\"before\":";
    append_row(out, columns, before);
    out += ",\"after\":";
    append_row(out, columns, after);
    out += ",\"op\":\"";
    out += operation;
    out += "\"}\n";
  }
  void append_row(std::string& out, const std::vector<ReadableColumn>& columns, std::optional<uint64_t> row) const {
    if (!row) {
      out += "null";
      return;
    }
    for (size_t column = 0; column < columns.size(); ++column) {
      out += keys_[column];
      columns[column].append_json(out, *row);
    }
    out += '}';
  }

  Updates updates_;
  std::vector<std::string> keys_;  ///< What stands before each value.
};

}  // namespace

Result<std::unique_ptr<Encoder>> make_encoder(const EncoderConfig& config) {
  if (config.format == "debezium-json") {
    if (config.changes == Changes::upsert)
      return user_error(Code::bad_config,
                        "Debezium's events have the row before an update, which changes = 'upsert' drops")
          .with_remedy("write changes = 'retract'");
    return std::unique_ptr<Encoder>(std::make_unique<DebeziumEncoder>(config));
  }
  if (config.changes != Changes::append && config.schema->find(config.op_column)) {
    return user_error(Code::bad_config,
                      fmt::format("the result has a column named '{}', which is also the name of the operation's field",
                                  config.op_column))
        .with_remedy("give the field another name with op_column = '...'");
  }
  if (config.format == "ndjson") return std::unique_ptr<Encoder>(std::make_unique<NdjsonEncoder>(config));
  if (config.format == "csv") return std::unique_ptr<Encoder>(std::make_unique<CsvEncoder>(config));
  return user_error(Code::bad_config, fmt::format("no encoder writes format '{}'", config.format))
      .with_remedy("use ndjson, csv or debezium-json");
}

std::vector<std::string_view> operations_of(const Batch& batch, const std::vector<size_t>& key) {
  const std::vector<ReadableColumn> columns = readable_columns(batch);
  Updates updates(key);
  std::vector<std::string_view> out;
  for (uint64_t row = 0; row < batch.chunk.size(); ++row) {
    if (!updates.begins_at(batch, columns, row)) {
      out.push_back(operation_of(batch.diff(static_cast<int64_t>(row))));
      continue;
    }
    out.insert(out.end(), {"-U", "+U"});
    ++row;
  }
  return out;
}

void append_json_value(std::string& out, const Vector& column, int64_t row) {
  ReadableColumn(column, static_cast<uint64_t>(row), 1).append_json(out, 0);
}

}  // namespace headrace
