#include "duck/arrow_stream.h"

#include <duckdb/common/types/hugeint.hpp>
#include <duckdb/common/types/value.hpp>
#include <duckdb/common/vector_size.hpp>
#include <utility>

#include "duck/failure.h"
#include "duck/flatbuffer.h"

namespace headrace {
namespace {

// Numbers of Arrow's Schema.fbs and Message.fbs.
constexpr int16_t metadata_v5 = 4;
enum class Header : uint8_t { schema = 1, record_batch = 3 };
enum class ArrowType : uint8_t {
  null = 1,
  integer = 2,
  floating = 3,
  binary = 4,
  utf8 = 5,
  boolean = 6,
  decimal = 7,
  date = 8,
  time = 9,
  timestamp = 10,
  list = 12,
  structure = 13,
  map = 17
};
enum class TimeUnit : int16_t { second, millisecond, microsecond, nanosecond };

using duckdb::idx_t;

// ---- the schema
// -----------------------------------------------------------------------------------------------------------

struct TypeRef {
  ArrowType kind;
  FlatBuffer::Ref ref;
};

TypeRef empty_type(FlatBuffer& out, ArrowType kind) {
  out.begin_table(0);
  return {kind, out.end_table()};
}

TypeRef integer_type(FlatBuffer& out, int32_t bits, bool is_signed) {
  out.begin_table(2);
  out.scalar(0, bits);
  out.scalar(1, static_cast<uint8_t>(is_signed));
  return {ArrowType::integer, out.end_table()};
}

TypeRef floating_type(FlatBuffer& out, int16_t precision) {
  out.begin_table(1);
  out.scalar(0, precision);
  return {ArrowType::floating, out.end_table()};
}

TypeRef timestamp_type(FlatBuffer& out, TimeUnit unit, bool is_instant) {
  FlatBuffer::Ref zone = is_instant ? out.text("UTC") : 0;
  out.begin_table(2);
  out.scalar(0, static_cast<int16_t>(unit));
  if (is_instant) out.ref(1, zone);
  return {ArrowType::timestamp, out.end_table()};
}

TypeRef type_of(FlatBuffer& out, const LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::SQLNULL:
      return empty_type(out, ArrowType::null);
    case LogicalTypeId::BOOLEAN:
      return empty_type(out, ArrowType::boolean);
    case LogicalTypeId::TINYINT:
      return integer_type(out, 8, true);
    case LogicalTypeId::SMALLINT:
      return integer_type(out, 16, true);
    case LogicalTypeId::INTEGER:
      return integer_type(out, 32, true);
    case LogicalTypeId::BIGINT:
      return integer_type(out, 64, true);
    case LogicalTypeId::UTINYINT:
      return integer_type(out, 8, false);
    case LogicalTypeId::USMALLINT:
      return integer_type(out, 16, false);
    case LogicalTypeId::UINTEGER:
      return integer_type(out, 32, false);
    case LogicalTypeId::UBIGINT:
      return integer_type(out, 64, false);
    case LogicalTypeId::FLOAT:
      return floating_type(out, 1);
    case LogicalTypeId::DOUBLE:
      return floating_type(out, 2);
    case LogicalTypeId::BLOB:
      return empty_type(out, ArrowType::binary);
    case LogicalTypeId::TIMESTAMP:
      return timestamp_type(out, TimeUnit::microsecond, false);
    case LogicalTypeId::TIMESTAMP_TZ:
      return timestamp_type(out, TimeUnit::microsecond, true);
    case LogicalTypeId::TIMESTAMP_SEC:
      return timestamp_type(out, TimeUnit::second, false);
    case LogicalTypeId::TIMESTAMP_MS:
      return timestamp_type(out, TimeUnit::millisecond, false);
    case LogicalTypeId::TIMESTAMP_NS:
      return timestamp_type(out, TimeUnit::nanosecond, false);
    case LogicalTypeId::LIST:
      return empty_type(out, ArrowType::list);
    case LogicalTypeId::STRUCT:
      return empty_type(out, ArrowType::structure);
    case LogicalTypeId::MAP:
      out.begin_table(1);
      out.scalar(0, uint8_t{0});
      return {ArrowType::map, out.end_table()};
    case LogicalTypeId::DATE:
      out.begin_table(1);
      out.scalar(0, int16_t{0});
      return {ArrowType::date, out.end_table()};
    case LogicalTypeId::TIME:
      out.begin_table(2);
      out.scalar(0, static_cast<int16_t>(TimeUnit::microsecond));
      out.scalar(1, int32_t{64});
      return {ArrowType::time, out.end_table()};
    case LogicalTypeId::DECIMAL:
      out.begin_table(3);
      out.scalar(0, static_cast<int32_t>(duckdb::DecimalType::GetWidth(type)));
      out.scalar(1, static_cast<int32_t>(duckdb::DecimalType::GetScale(type)));
      out.scalar(2, int32_t{128});
      return {ArrowType::decimal, out.end_table()};
    default:
      return empty_type(out, ArrowType::utf8);
  }
}

FlatBuffer::Ref field_of(FlatBuffer& out, const std::string& name, const LogicalType& type, bool nullable) {
  std::vector<FlatBuffer::Ref> children;
  if (type.id() == LogicalTypeId::LIST)
    children.push_back(field_of(out, "item", duckdb::ListType::GetChildType(type), true));
  if (type.id() == LogicalTypeId::MAP)
    children.push_back(field_of(out, "entries", duckdb::ListType::GetChildType(type), false));
  if (type.id() == LogicalTypeId::STRUCT)
    for (const auto& [child, child_type] : duckdb::StructType::GetChildTypes(type))
      children.push_back(field_of(out, child, child_type, child != "key"));
  FlatBuffer::Ref children_ref = out.refs(children);
  FlatBuffer::Ref name_ref = out.text(name);
  TypeRef arrow = type_of(out, type);
  out.begin_table(7);
  out.ref(0, name_ref);
  out.scalar(1, static_cast<uint8_t>(nullable));
  out.scalar(2, static_cast<uint8_t>(arrow.kind));
  out.ref(3, arrow.ref);
  out.ref(5, children_ref);
  return out.end_table();
}

// ---- the columns
// ------------------------------------------------------------------------------------------------------------

/// A record batch's body, and what its metadata tells of it.
struct Body {
  std::string bytes;
  std::vector<std::pair<int64_t, int64_t>> nodes;    ///< length, null count
  std::vector<std::pair<int64_t, int64_t>> buffers;  ///< offset, length

  void buffer(std::string_view content) {
    buffers.emplace_back(bytes.size(), content.size());
    bytes.append(content);
    bytes.append((8 - bytes.size() % 8) % 8, '\0');
  }
};

std::string bitmap(idx_t count, const auto& is_set) {
  std::string out((count + 7) / 8, '\0');
  for (idx_t i = 0; i < count; ++i)
    if (is_set(i)) out[i / 8] = static_cast<char>(out[i / 8] | (1 << (i % 8)));
  return out;
}

void validity(Body& out, const duckdb::ValidityMask& mask, idx_t count) {
  idx_t valid = mask.CountValid(count);
  out.nodes.emplace_back(count, count - valid);
  out.buffer(valid == count ? std::string() : bitmap(count, [&](idx_t i) { return mask.RowIsValid(i); }));
}

void raw(Body& out, Vector& column, idx_t count, size_t width) {
  out.buffer(std::string_view(reinterpret_cast<const char*>(duckdb::FlatVector::GetData(column)), count * width));
}

/// Texts with their offsets; `text_at` is asked for valid rows only.
void texts(Body& out, const duckdb::ValidityMask& mask, idx_t count, const auto& text_at) {
  std::string content;
  std::vector<int32_t> ends{0};
  for (idx_t i = 0; i < count; ++i) {
    if (mask.RowIsValid(i)) content += text_at(i);
    ends.push_back(static_cast<int32_t>(content.size()));
  }
  out.buffer(std::string_view(reinterpret_cast<const char*>(ends.data()), ends.size() * sizeof(int32_t)));
  out.buffer(content);
}

template <class Stored>
std::string widened(const Vector& column, idx_t count) {
  const auto* values = duckdb::FlatVector::GetData<Stored>(column);
  std::string out;
  for (idx_t i = 0; i < count; ++i) {
    int64_t low = static_cast<int64_t>(values[i]), high = low < 0 ? -1 : 0;
    out.append(reinterpret_cast<const char*>(&low), sizeof low)
        .append(reinterpret_cast<const char*>(&high), sizeof high);
  }
  return out;
}

void decimals(Body& out, Vector& column, idx_t count) {
  switch (column.GetType().InternalType()) {
    case duckdb::PhysicalType::INT16:
      return out.buffer(widened<int16_t>(column, count));
    case duckdb::PhysicalType::INT32:
      return out.buffer(widened<int32_t>(column, count));
    case duckdb::PhysicalType::INT64:
      return out.buffer(widened<int64_t>(column, count));
    default:
      return raw(out, column, count, 16);  // hugeint_t: low word, then high word, as Arrow has it.
  }
}

void write_column(Body& out, Vector& column, idx_t count);

void lists(Body& out, Vector& column, const duckdb::ValidityMask& mask, idx_t count) {
  const auto* entries = duckdb::FlatVector::GetData<duckdb::list_entry_t>(column);
  std::vector<int32_t> ends{0};
  for (idx_t i = 0; i < count; ++i)
    ends.push_back(ends.back() + (mask.RowIsValid(i) ? static_cast<int32_t>(entries[i].length) : 0));
  out.buffer(std::string_view(reinterpret_cast<const char*>(ends.data()), ends.size() * sizeof(int32_t)));
  // Entries may lie anywhere in the child; Arrow wants them one after the other.
  duckdb::SelectionVector rows(std::max<idx_t>(ends.back(), 1));
  idx_t next = 0;
  for (idx_t i = 0; i < count; ++i)
    for (idx_t j = 0; mask.RowIsValid(i) && j < entries[i].length; ++j) rows.set_index(next++, entries[i].offset + j);
  Vector child(duckdb::ListVector::GetEntry(column), rows, next);
  write_column(out, child, next);
}

void write_column(Body& out, Vector& column, idx_t count) {
  const LogicalType& type = column.GetType();
  column.Flatten(count);
  const duckdb::ValidityMask& mask = duckdb::FlatVector::Validity(column);
  if (type.id() == LogicalTypeId::SQLNULL) {
    out.nodes.emplace_back(count, count);
    return;
  }
  validity(out, mask, count);
  switch (type.id()) {
    case LogicalTypeId::BOOLEAN: {
      const bool* values = duckdb::FlatVector::GetData<bool>(column);
      return out.buffer(bitmap(count, [&](idx_t i) { return mask.RowIsValid(i) && values[i]; }));
    }
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
    case LogicalTypeId::TIMESTAMP_SEC:
    case LogicalTypeId::TIMESTAMP_MS:
    case LogicalTypeId::TIMESTAMP_NS:
      return raw(out, column, count, duckdb::GetTypeIdSize(type.InternalType()));
    case LogicalTypeId::DECIMAL:
      return decimals(out, column, count);
    case LogicalTypeId::VARCHAR:
    case LogicalTypeId::BLOB: {
      const auto* values = duckdb::FlatVector::GetData<duckdb::string_t>(column);
      return texts(out, mask, count,
                   [&](idx_t i) { return std::string_view(values[i].GetData(), values[i].GetSize()); });
    }
    case LogicalTypeId::LIST:
    case LogicalTypeId::MAP:
      return lists(out, column, mask, count);
    case LogicalTypeId::STRUCT:
      for (auto& child : duckdb::StructVector::GetEntries(column)) write_column(out, *child, count);
      return;
    default:
      return texts(out, mask, count, [&](idx_t i) { return column.GetValue(i).ToString(); });
  }
}

// ---- messages
// -----------------------------------------------------------------------------------------------------------------

void append_message(std::string& out, FlatBuffer& metadata, Header kind, FlatBuffer::Ref header,
                    const std::string& body) {
  metadata.begin_table(4);
  metadata.scalar(3, static_cast<int64_t>(body.size()));
  metadata.ref(2, header);
  metadata.scalar(0, metadata_v5);
  metadata.scalar(1, static_cast<uint8_t>(kind));
  FlatBuffer::Ref message = metadata.end_table();
  std::string bytes = metadata.finish(message);
  bytes.append((8 - bytes.size() % 8) % 8, '\0');
  uint32_t lead[] = {0xFFFFFFFF, static_cast<uint32_t>(bytes.size())};
  out.append(reinterpret_cast<const char*>(lead), sizeof lead).append(bytes).append(body);
}

std::string write_stream(const std::vector<std::string>& names, const duckdb::vector<LogicalType>& types,
                         const std::vector<std::unique_ptr<DataChunk>>& chunks) {
  std::string out;
  FlatBuffer schema;
  std::vector<FlatBuffer::Ref> fields;
  for (size_t i = 0; i < names.size(); ++i) fields.push_back(field_of(schema, names[i], types[i], true));
  FlatBuffer::Ref fields_ref = schema.refs(fields);
  schema.begin_table(2);
  schema.scalar(0, int16_t{0});  // little-endian
  schema.ref(1, fields_ref);
  FlatBuffer::Ref schema_ref = schema.end_table();
  append_message(out, schema, Header::schema, schema_ref, "");

  for (const auto& chunk : chunks) {
    Body body;
    for (Vector& column : chunk->data) write_column(body, column, chunk->size());
    FlatBuffer batch;
    FlatBuffer::Ref buffers = batch.pairs(body.buffers);
    FlatBuffer::Ref nodes = batch.pairs(body.nodes);
    batch.begin_table(3);
    batch.scalar(0, static_cast<int64_t>(chunk->size()));
    batch.ref(1, nodes);
    batch.ref(2, buffers);
    FlatBuffer::Ref batch_ref = batch.end_table();
    append_message(out, batch, Header::record_batch, batch_ref, body.bytes);
  }
  uint32_t end[] = {0xFFFFFFFF, 0};
  out.append(reinterpret_cast<const char*>(end), sizeof end);
  return out;
}

}  // namespace

Result<std::string> arrow_stream(const std::vector<std::string>& names, const duckdb::vector<LogicalType>& types,
                                 const std::vector<std::unique_ptr<DataChunk>>& chunks) {
  return guarded(Code::internal, [&]() -> Result<std::string> { return write_stream(names, types, chunks); });
}

}  // namespace headrace
