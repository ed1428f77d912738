#include "duck/arrow.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <duckdb/common/types/decimal.hpp>
#include <duckdb/common/types/hugeint.hpp>
#include <duckdb/common/types/value.hpp>

#include "base/check.h"

namespace headrace {
namespace {

using duckdb::FlatVector;
using duckdb::hugeint_t;
using duckdb::list_entry_t;
using duckdb::ListType;
using duckdb::ListVector;
using duckdb::PhysicalType;
using duckdb::string_t;
using duckdb::StringVector;
using duckdb::StructType;
using duckdb::StructVector;
using duckdb::UnifiedVectorFormat;
using duckdb::ValidityMask;

enum class Shape : uint8_t { fixed, boolean, decimal, text, list, structure, none };

Shape shape_of(const LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::BOOLEAN:
      return Shape::boolean;
    case LogicalTypeId::TINYINT:
    case LogicalTypeId::SMALLINT:
    case LogicalTypeId::INTEGER:
    case LogicalTypeId::BIGINT:
    case LogicalTypeId::UTINYINT:
    case LogicalTypeId::USMALLINT:
    case LogicalTypeId::UINTEGER:
    case LogicalTypeId::UBIGINT:
    case LogicalTypeId::FLOAT:
    case LogicalTypeId::DOUBLE:
    case LogicalTypeId::DATE:
    case LogicalTypeId::TIME:
    case LogicalTypeId::TIMESTAMP:
    case LogicalTypeId::TIMESTAMP_TZ:
      return Shape::fixed;
    case LogicalTypeId::DECIMAL:
      return Shape::decimal;
    case LogicalTypeId::VARCHAR:
    case LogicalTypeId::BLOB:
      return Shape::text;
    case LogicalTypeId::LIST:
    case LogicalTypeId::MAP:
      return Shape::list;
    case LogicalTypeId::STRUCT:
      return Shape::structure;
    default:
      return Shape::none;
  }
}

size_t width_of(const LogicalType& type) {
  return duckdb::GetTypeIdSize(type.InternalType());
}

size_t bit_bytes(int64_t rows) {
  return (static_cast<size_t>(rows) + 7) / 8;
}

bool bit_at(const uint8_t* bits, int64_t row) {
  return (bits[row >> 3] >> (row & 7)) & 1;
}

// ---- Writing
// -------------------------------------------------------------------------------------------------------------------

/// Which values of a vector make up a column: `position(row)` for row in [0, rows).
struct Rows {
  const uint32_t* positions = nullptr;  ///< Null = first, first + 1, ...
  int64_t first = 0;
  int64_t count = 0;

  int64_t position(int64_t row) const { return positions != nullptr ? positions[row] : first + row; }
  /// How far the vector must reach.
  int64_t reach() const {
    if (positions == nullptr) return first + count;
    return count == 0 ? 0 : *std::max_element(positions, positions + count) + 1;
  }
};

/// The area being filled; take() gives null once it is full.
struct Area {
  std::span<std::byte> bytes;
  uint64_t& used;
  std::vector<ArrowSpan>& spans;

  std::byte* take(size_t size) {
    uint64_t start = (used + 63) / 64 * 64;
    if (start > bytes.size() || size > bytes.size() - start) return nullptr;
    used = start + size;
    spans.push_back({start, size});
    return bytes.data() + start;
  }
};

bool write_validity(const UnifiedVectorFormat& source, const Rows& rows, Area& area) {
  if (source.validity.AllValid()) {
    area.spans.push_back({0, 0});
    return true;
  }
  std::byte* place = area.take(bit_bytes(rows.count));
  if (place == nullptr) return false;
  auto* bits = reinterpret_cast<uint8_t*>(place);
  std::memset(bits, 0, bit_bytes(rows.count));
  for (int64_t row = 0; row < rows.count; ++row) {
    if (source.validity.RowIsValid(source.sel->get_index(rows.position(row)))) bits[row >> 3] |= 1 << (row & 7);
  }
  return true;
}

template <class T>
void gather(const UnifiedVectorFormat& source, const Rows& rows, T* out) {
  const T* values = UnifiedVectorFormat::GetDataUnsafe<T>(source);
  if (!source.sel->IsSet() && rows.positions == nullptr) {  // Common case: a flat column.
    std::copy_n(values + rows.first, rows.count, out);
    return;
  }
  for (int64_t row = 0; row < rows.count; ++row) out[row] = values[source.sel->get_index(rows.position(row))];
}

bool write_fixed(const UnifiedVectorFormat& source, const Rows& rows, size_t width, Area& area) {
  std::byte* place = area.take(static_cast<size_t>(rows.count) * width);
  if (place == nullptr) return false;
  switch (width) {
    case 1:
      gather(source, rows, reinterpret_cast<uint8_t*>(place));
      return true;
    case 2:
      gather(source, rows, reinterpret_cast<uint16_t*>(place));
      return true;
    case 4:
      gather(source, rows, reinterpret_cast<uint32_t*>(place));
      return true;
    default:
      gather(source, rows, reinterpret_cast<uint64_t*>(place));
      return true;
  }
}

bool write_boolean(const UnifiedVectorFormat& source, const Rows& rows, Area& area) {
  std::byte* place = area.take(bit_bytes(rows.count));
  if (place == nullptr) return false;
  auto* bits = reinterpret_cast<uint8_t*>(place);
  std::memset(bits, 0, bit_bytes(rows.count));
  const auto* values = UnifiedVectorFormat::GetDataUnsafe<uint8_t>(source);
  for (int64_t row = 0; row < rows.count; ++row) {
    if (values[source.sel->get_index(rows.position(row))] != 0) bits[row >> 3] |= 1 << (row & 7);
  }
  return true;
}

template <class T>
void widen_decimals(const UnifiedVectorFormat& source, const Rows& rows, hugeint_t* out) {
  const T* values = UnifiedVectorFormat::GetDataUnsafe<T>(source);
  for (int64_t row = 0; row < rows.count; ++row)
    out[row] = hugeint_t(values[source.sel->get_index(rows.position(row))]);
}

bool write_decimal(const UnifiedVectorFormat& source, const Rows& rows, PhysicalType type, Area& area) {
  auto* out = reinterpret_cast<hugeint_t*>(area.take(static_cast<size_t>(rows.count) * sizeof(hugeint_t)));
  if (out == nullptr) return false;
  switch (type) {
    case PhysicalType::INT16:
      widen_decimals<int16_t>(source, rows, out);
      return true;
    case PhysicalType::INT32:
      widen_decimals<int32_t>(source, rows, out);
      return true;
    case PhysicalType::INT64:
      widen_decimals<int64_t>(source, rows, out);
      return true;
    default:
      gather(source, rows, out);
      return true;
  }
}

bool write_text(const UnifiedVectorFormat& source, const Rows& rows, Area& area) {
  auto* offsets = reinterpret_cast<int32_t*>(area.take((static_cast<size_t>(rows.count) + 1) * sizeof(int32_t)));
  if (offsets == nullptr) return false;
  const auto* texts = UnifiedVectorFormat::GetDataUnsafe<string_t>(source);
  uint64_t total = 0;
  offsets[0] = 0;
  for (int64_t row = 0; row < rows.count; ++row) {
    auto position = source.sel->get_index(rows.position(row));
    if (source.validity.RowIsValid(position)) total += texts[position].GetSize();
    if (total > area.bytes.size()) return false;  // Before the sum can outgrow an int32.
    offsets[row + 1] = static_cast<int32_t>(total);
  }
  std::byte* bytes = area.take(total);
  if (bytes == nullptr) return false;
  for (int64_t row = 0; row < rows.count; ++row) {
    if (offsets[row + 1] == offsets[row]) continue;
    const string_t& text = texts[source.sel->get_index(rows.position(row))];
    std::memcpy(bytes + offsets[row], text.GetData(), text.GetSize());
  }
  return true;
}

bool write_column(Vector& column, const Rows& rows, Area& area);

bool write_list(Vector& column, const UnifiedVectorFormat& source, const Rows& rows, Area& area) {
  auto* offsets = reinterpret_cast<int32_t*>(area.take((static_cast<size_t>(rows.count) + 1) * sizeof(int32_t)));
  if (offsets == nullptr) return false;
  const auto* entries = UnifiedVectorFormat::GetDataUnsafe<list_entry_t>(source);
  uint64_t total = 0, first = 0;
  bool adjacent = true;  // Common case: the items stand one list after another.
  offsets[0] = 0;
  for (int64_t row = 0; row < rows.count; ++row) {
    auto position = source.sel->get_index(rows.position(row));
    if (const uint64_t length = source.validity.RowIsValid(position) ? entries[position].length : 0; length > 0) {
      if (total == 0) first = entries[position].offset;
      adjacent = adjacent && entries[position].offset == first + total;
      total += length;
      if (length > area.bytes.size() || total > area.bytes.size()) return false;
    }
    offsets[row + 1] = static_cast<int32_t>(total);
  }
  Vector& items = ListVector::GetEntry(column);
  if (adjacent)
    return write_column(items, Rows{nullptr, static_cast<int64_t>(first), static_cast<int64_t>(total)}, area);
  std::vector<uint32_t> positions;
  positions.reserve(total);
  for (int64_t row = 0; row < rows.count; ++row) {
    const list_entry_t& entry = entries[source.sel->get_index(rows.position(row))];
    const int32_t length = offsets[row + 1] - offsets[row];
    for (int32_t i = 0; i < length; ++i)
      positions.push_back(static_cast<uint32_t>(entry.offset) + static_cast<uint32_t>(i));
  }
  return write_column(items, Rows{positions.data(), 0, static_cast<int64_t>(total)}, area);
}

bool write_structure(Vector& column, const Rows& rows, Area& area) {
  // The selection of a sliced struct is for its validity only: DuckDB slices the fields themselves, too.
  for (auto& field : StructVector::GetEntries(column)) {
    if (!write_column(*field, rows, area)) return false;
  }
  return true;
}

bool write_column(Vector& column, const Rows& rows, Area& area) {
  UnifiedVectorFormat source;
  column.ToUnifiedFormat(static_cast<duckdb::idx_t>(rows.reach()), source);
  if (!write_validity(source, rows, area)) return false;
  switch (shape_of(column.GetType())) {
    case Shape::fixed:
      return write_fixed(source, rows, width_of(column.GetType()), area);
    case Shape::boolean:
      return write_boolean(source, rows, area);
    case Shape::decimal:
      return write_decimal(source, rows, column.GetType().InternalType(), area);
    case Shape::text:
      return write_text(source, rows, area);
    case Shape::list:
      return write_list(column, source, rows, area);
    case Shape::structure:
      return write_structure(column, rows, area);
    case Shape::none:
      break;
  }
  CHECK(has_arrow_layout(column.GetType()));
  return false;
}

// ---- Reading
// -------------------------------------------------------------------------------------------------------------------

Error bad_result(std::string what) {
  return user_error(Code::function_result, std::move(what));
}

/// The spans of a column, taken one by one, with the bytes they stand for.
struct Cursor {
  std::span<const std::byte> area;
  std::span<const ArrowSpan> spans;

  /// The next span, which must lie in the area and hold at least `bytes_min` bytes.
  Result<std::span<const std::byte>> next(uint64_t bytes_min) {
    if (spans.empty()) return bad_result("the result has too few buffers");
    ArrowSpan span = spans.front();
    spans = spans.subspan(1);
    if (span.offset > area.size() || span.bytes > area.size() - span.offset)
      return bad_result("a buffer of the result lies outside of its memory");
    if (span.bytes < bytes_min)
      return bad_result(fmt::format("a buffer of the result has {} bytes instead of {}", span.bytes, bytes_min));
    return area.subspan(span.offset, span.bytes);
  }
};

struct Target {
  Vector& out;
  int64_t first;
  int64_t rows;
};

/// Bits of `rows` rows, copied; empty when all are valid.
Result<std::vector<uint8_t>> read_validity(Cursor& cursor, int64_t rows) {
  HEADRACE_ASSIGN(auto bytes, cursor.next(0));
  if (bytes.empty()) return std::vector<uint8_t>{};
  if (bytes.size() < bit_bytes(rows)) return bad_result("the validity bits of the result are too short");
  std::vector<uint8_t> bits(bit_bytes(rows));
  std::copy_n(reinterpret_cast<const uint8_t*>(bytes.data()), bits.size(), bits.begin());
  return bits;
}

void set_nulls(const std::vector<uint8_t>& bits, Target target) {
  ValidityMask& mask = FlatVector::Validity(target.out);
  if (!mask.AllValid()) {  // A vector used before: its NULLs are not ours.
    for (int64_t row = 0; row < target.rows; ++row) mask.SetValid(static_cast<duckdb::idx_t>(target.first + row));
  }
  if (bits.empty()) return;
  for (int64_t row = 0; row < target.rows; ++row) {
    if (!bit_at(bits.data(), row))
      FlatVector::SetNull(target.out, static_cast<duckdb::idx_t>(target.first + row), true);
  }
}

/// Values that DuckDB cannot print or take apart (it crashes on some) are refused; those of NULL rows become 0.
template <class T>
Result<> check_range(const std::vector<uint8_t>& valid, Target target, T lowest, T highest) {
  T* values = FlatVector::GetData<T>(target.out) + target.first;
  for (int64_t row = 0; row < target.rows; ++row) {
    if (values[row] >= lowest && values[row] <= highest) continue;
    if (valid.empty() || bit_at(valid.data(), row))
      return bad_result(fmt::format("a result is no {}: {}", target.out.GetType().ToString(), values[row]));
    values[row] = 0;
  }
  return {};
}

Result<> check_time(const std::vector<uint8_t>& valid, Target target) {
  constexpr int64_t day_us = 86'400'000'000;
  constexpr int64_t first_us = -9'223'372'022'400'000'000;  // 290309-12-22 (BC), the first that DuckDB has.
  switch (target.out.GetType().id()) {
    case LogicalTypeId::DATE:
      return check_range<int32_t>(valid, target, -INT32_MAX, INT32_MAX);
    case LogicalTypeId::TIME:
      return check_range<int64_t>(valid, target, 0, day_us);
    case LogicalTypeId::TIMESTAMP:
    case LogicalTypeId::TIMESTAMP_TZ:
      return check_range<int64_t>(valid, target, first_us, INT64_MAX);
    default:
      return {};
  }
}

Result<> read_fixed(Cursor& cursor, const std::vector<uint8_t>& valid, Target target) {
  const size_t width = width_of(target.out.GetType());
  const size_t bytes = static_cast<size_t>(target.rows) * width;
  HEADRACE_ASSIGN(auto source, cursor.next(bytes));
  if (bytes > 0)
    std::memcpy(FlatVector::GetData(target.out) + static_cast<size_t>(target.first) * width, source.data(), bytes);
  return check_time(valid, target);
}

Result<> read_boolean(Cursor& cursor, Target target) {
  HEADRACE_ASSIGN(auto source, cursor.next(bit_bytes(target.rows)));
  const auto* bits = reinterpret_cast<const uint8_t*>(source.data());
  bool* out = FlatVector::GetData<bool>(target.out) + target.first;
  for (int64_t row = 0; row < target.rows; ++row) out[row] = bit_at(bits, row);
  return {};
}

/// Of T's size, or out of range. Values of NULL rows are not looked at: they may be anything.
template <class T>
Result<> narrow_decimals(std::span<const std::byte> source, const std::vector<uint8_t>& valid, Target target) {
  const LogicalType& type = target.out.GetType();
  const hugeint_t limit = duckdb::Hugeint::POWERS_OF_TEN[duckdb::DecimalType::GetWidth(type)];
  T* out = FlatVector::GetData<T>(target.out) + target.first;
  for (int64_t row = 0; row < target.rows; ++row) {
    out[row] = T(0);
    if (!valid.empty() && !bit_at(valid.data(), row)) continue;
    hugeint_t value;
    std::memcpy(&value, source.data() + static_cast<size_t>(row) * sizeof(hugeint_t), sizeof value);
    if (value >= limit || value <= -limit) return bad_result(fmt::format("a result does not fit {}", type.ToString()));
    if constexpr (std::is_same_v<T, hugeint_t>) {
      out[row] = value;
    } else {
      out[row] = static_cast<T>(value.lower);  // |value| < 10^18: the lower half in two's complement is the whole.
    }
  }
  return {};
}

Result<> read_decimal(Cursor& cursor, const std::vector<uint8_t>& valid, Target target) {
  HEADRACE_ASSIGN(auto source, cursor.next(static_cast<uint64_t>(target.rows) * sizeof(hugeint_t)));
  switch (target.out.GetType().InternalType()) {
    case PhysicalType::INT16:
      return narrow_decimals<int16_t>(source, valid, target);
    case PhysicalType::INT32:
      return narrow_decimals<int32_t>(source, valid, target);
    case PhysicalType::INT64:
      return narrow_decimals<int64_t>(source, valid, target);
    default:
      return narrow_decimals<hugeint_t>(source, valid, target);
  }
}

/// Offsets of `rows` items, copied: they start at or after 0 and never go back.
Result<std::vector<int32_t>> read_offsets(Cursor& cursor, int64_t rows) {
  std::vector<int32_t> offsets(static_cast<size_t>(rows) + 1);
  HEADRACE_ASSIGN(auto source, cursor.next(rows == 0 ? 0 : offsets.size() * sizeof(int32_t)));
  if (rows == 0) return offsets;
  std::memcpy(offsets.data(), source.data(), offsets.size() * sizeof(int32_t));
  if (offsets[0] < 0 || !std::is_sorted(offsets.begin(), offsets.end()))
    return bad_result("the offsets of the result are not in order");
  return offsets;
}

bool is_ascii(const char* text, int64_t bytes) {
  unsigned char seen = 0;
  for (int64_t i = 0; i < bytes; ++i) seen |= static_cast<unsigned char>(text[i]);
  return seen < 0x80;
}

Result<> read_text(Cursor& cursor, const std::vector<uint8_t>& valid, Target target) {
  HEADRACE_ASSIGN(std::vector<int32_t> offsets, read_offsets(cursor, target.rows));
  HEADRACE_ASSIGN(auto bytes, cursor.next(static_cast<uint64_t>(offsets.back())));
  // One block for all, which the vector keeps alive: several times quicker than one by one.
  auto block = duckdb::make_buffer<duckdb::VectorBuffer>(static_cast<duckdb::idx_t>(offsets.back()) + 1);
  char* texts = reinterpret_cast<char*>(block->GetData());
  std::memcpy(texts, bytes.data(), static_cast<size_t>(offsets.back()));
  if (offsets.back() > 0) StringVector::AddBuffer(target.out, block);
  const bool must_check = target.out.GetType().id() == LogicalTypeId::VARCHAR && !is_ascii(texts, offsets.back());
  auto* out = FlatVector::GetData<string_t>(target.out) + target.first;
  for (int64_t row = 0; row < target.rows; ++row) {
    if (!valid.empty() && !bit_at(valid.data(), row)) {
      out[row] = string_t();
      continue;
    }
    out[row] = string_t(texts + offsets[row], static_cast<uint32_t>(offsets[row + 1] - offsets[row]));
    if (must_check && !duckdb::Value::StringIsValid(out[row].GetData(), out[row].GetSize()))
      return bad_result("a result is not UTF-8 text");
  }
  return {};
}

Result<> read_column(Cursor& cursor, Target target);

/// A key of a MAP is neither NULL nor there twice; DuckDB relies on it.
Result<> check_map(Vector& out, int64_t first, int64_t rows) {
  duckdb::SelectionVector sel(static_cast<duckdb::idx_t>(rows));
  for (int64_t row = 0; row < rows; ++row) sel.set_index(row, static_cast<duckdb::idx_t>(first + row));
  switch (duckdb::MapVector::CheckMapValidity(out, static_cast<duckdb::idx_t>(rows), sel)) {
    case duckdb::MapInvalidReason::VALID:
      return {};
    case duckdb::MapInvalidReason::NULL_KEY:
      return bad_result("a key of a map is None");
    case duckdb::MapInvalidReason::DUPLICATE_KEY:
      return bad_result("a map has a key twice");
    default:
      return bad_result("a map is not well formed");
  }
}

Result<> read_list(Cursor& cursor, const std::vector<uint8_t>& valid, Target target) {
  HEADRACE_ASSIGN(std::vector<int32_t> offsets, read_offsets(cursor, target.rows));
  // A child of n items needs at least n bits or offsets, so what the area can hold bounds what is reserved here.
  if (static_cast<uint64_t>(offsets.back()) > cursor.area.size() * 8)
    return bad_result("a list is longer than its memory");
  const int64_t items_first = static_cast<int64_t>(ListVector::GetListSize(target.out));
  const int64_t items_end = items_first + offsets.back();
  ListVector::Reserve(target.out, static_cast<duckdb::idx_t>(items_end));
  HEADRACE_TRY(read_column(cursor, Target{ListVector::GetEntry(target.out), items_first, offsets.back()}));
  ListVector::SetListSize(target.out, static_cast<duckdb::idx_t>(items_end));
  auto* entries = FlatVector::GetData<list_entry_t>(target.out) + target.first;
  for (int64_t row = 0; row < target.rows; ++row) {
    const bool is_null = !valid.empty() && !bit_at(valid.data(), row);
    entries[row].offset = static_cast<uint64_t>(items_first + offsets[row]);
    entries[row].length = is_null ? 0 : static_cast<uint64_t>(offsets[row + 1] - offsets[row]);
  }
  return {};
}

Result<> read_column(Cursor& cursor, Target target) {
  HEADRACE_ASSIGN(std::vector<uint8_t> valid, read_validity(cursor, target.rows));
  const LogicalType& type = target.out.GetType();
  switch (shape_of(type)) {
    case Shape::fixed:
      HEADRACE_TRY(read_fixed(cursor, valid, target));
      break;
    case Shape::boolean:
      HEADRACE_TRY(read_boolean(cursor, target));
      break;
    case Shape::decimal:
      HEADRACE_TRY(read_decimal(cursor, valid, target));
      break;
    case Shape::text:
      HEADRACE_TRY(read_text(cursor, valid, target));
      break;
    case Shape::list:
      HEADRACE_TRY(read_list(cursor, valid, target));
      break;
    case Shape::structure:
      for (auto& field : StructVector::GetEntries(target.out))
        HEADRACE_TRY(read_column(cursor, Target{*field, target.first, target.rows}));
      break;
    case Shape::none:
      CHECK(has_arrow_layout(type));
  }
  set_nulls(valid, target);  // Last: a NULL struct makes its fields NULL too.
  if (type.id() == LogicalTypeId::MAP) HEADRACE_TRY(check_map(target.out, target.first, target.rows));
  return {};
}

/// The types directly inside a nested one.
std::vector<LogicalType> inner_types(const LogicalType& type) {
  if (type.id() == LogicalTypeId::LIST || type.id() == LogicalTypeId::MAP) return {ListType::GetChildType(type)};
  std::vector<LogicalType> types;
  if (type.id() == LogicalTypeId::STRUCT) {
    for (const auto& field : StructType::GetChildTypes(type)) types.push_back(field.second);
  }
  return types;
}

}  // namespace

bool has_arrow_layout(const LogicalType& type) {
  if (shape_of(type) == Shape::none) return false;
  for (const LogicalType& inner : inner_types(type)) {
    if (!has_arrow_layout(inner)) return false;
  }
  return true;
}

size_t arrow_span_count(const LogicalType& type) {
  size_t count = shape_of(type) == Shape::structure ? 1 : shape_of(type) == Shape::text ? 3 : 2;
  for (const LogicalType& inner : inner_types(type)) count += arrow_span_count(inner);
  return count;
}

Result<bool> ArrowWriter::write(Vector& column, int64_t row_first, int64_t rows, std::vector<ArrowSpan>& spans) {
  try {
    Area area{area_, used_, spans};
    return write_column(column, Rows{nullptr, row_first, rows}, area);
  } catch (const std::exception& failure) {  // Out of memory, while a compressed vector is laid out flat.
    return environment_error(Code::expression_failed, failure.what());
  }
}

Result<> read_arrow(std::span<const std::byte> area, std::span<const ArrowSpan> spans, int64_t rows, Vector& out,
                    int64_t out_first) {
  try {
    Cursor cursor{area, spans};
    return read_column(cursor, Target{out, out_first, rows});
  } catch (const std::exception& failure) {
    return bad_result(fmt::format("the result cannot be taken over: {}", failure.what()));
  }
}

}  // namespace headrace
