#include "duck/value_bytes.h"

#include <cstring>
#include <duckdb/common/exception.hpp>
#include <duckdb/common/type_visitor.hpp>

#include "duck/rows.h"

namespace headrace {
namespace {

using duckdb::ArrayVector;
using duckdb::FlatVector;
using duckdb::ListVector;
using duckdb::PhysicalType;
using duckdb::StructVector;

template <class T>
void put(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

/// The bytes that are left to read.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}

  std::string_view take(size_t bytes) {
    if (bytes > left_.size()) throw duckdb::SerializationException("a saved value ends too early");
    const std::string_view out = left_.substr(0, bytes);
    left_.remove_prefix(bytes);
    return out;
  }
  template <class T>
  T take() {
    T out;
    std::memcpy(&out, take(sizeof(T)).data(), sizeof(T));
    return out;
  }
  /// A number of items that follow, each of at least a byte.
  uint32_t take_count() {
    const uint32_t out = take<uint32_t>();
    if (out > left_.size()) throw duckdb::SerializationException("a saved list is longer than its bytes");
    return out;
  }
  void end() const {
    if (!left_.empty()) throw duckdb::SerializationException("a saved value has more bytes than it needs");
  }

 private:
  std::string_view left_;
};

/// Looks through dictionaries and constants; gives the vector that holds row `row`, which becomes its row there.
const Vector& resolve(const Vector& column, size_t& row) {
  const Vector* at = &column;
  while (at->GetVectorType() == duckdb::VectorType::DICTIONARY_VECTOR) {
    row = duckdb::DictionaryVector::SelVector(*at).get_index(row);
    at = &duckdb::DictionaryVector::Child(*at);
  }
  if (at->GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR)
    row = 0;
  else if (at->GetVectorType() != duckdb::VectorType::FLAT_VECTOR)
    throw duckdb::InternalException("a value to be saved stands in a vector of a form that is not known");
  return *at;
}

bool is_null(const Vector& column, size_t row) {
  return column.GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR ? duckdb::ConstantVector::IsNull(column)
                                                                       : !FlatVector::Validity(column).RowIsValid(row);
}

void append(const Vector& from, size_t row, std::string& out);

void append_items(const Vector& items, size_t first, size_t count, std::string& out) {
  for (size_t i = 0; i < count; ++i) append(items, first + i, out);
}

void append_list(const Vector& column, size_t row, std::string& out) {
  const auto entry = reinterpret_cast<const duckdb::list_entry_t*>(column.GetData())[row];
  put(out, static_cast<uint32_t>(entry.length));
  append_items(ListVector::GetEntry(column), entry.offset, entry.length, out);
}

void append_text(const Vector& column, size_t row, std::string& out) {
  const auto& text = reinterpret_cast<const duckdb::string_t*>(column.GetData())[row];
  put(out, static_cast<uint32_t>(text.GetSize()));
  out.append(text.GetData(), text.GetSize());
}

void append(const Vector& from, const size_t outer_row, std::string& out) {
  size_t row = outer_row;
  const Vector& column = resolve(from, row);
  const bool null = is_null(column, row);
  out.push_back(static_cast<char>(null));
  if (null) return;
  switch (column.GetType().InternalType()) {
    case PhysicalType::LIST:
      return append_list(column, row, out);
    case PhysicalType::VARCHAR:
      return append_text(column, row, out);
    case PhysicalType::ARRAY: {
      const size_t size = duckdb::ArrayType::GetSize(column.GetType());
      return append_items(ArrayVector::GetEntry(column), row * size, size, out);
    }
    case PhysicalType::STRUCT:
      // Of a dictionary the fields are dictionaries themselves: they are asked for the row as it was asked for.
      for (const auto& field : StructVector::GetEntries(column))
        append(*field, column.GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR ? 0 : outer_row, out);
      return;
    default: {
      const size_t width = fixed_width(column.GetType());
      out.append(reinterpret_cast<const char*>(column.GetData()) + row * width, width);
    }
  }
}

void read(Reader& bytes, Vector& out, size_t row);

void read_list(Reader& bytes, Vector& out, size_t row) {
  const size_t first = ListVector::GetListSize(out), count = bytes.take_count();
  ListVector::Reserve(out, first + count);
  ListVector::SetListSize(out, first + count);
  FlatVector::GetData<duckdb::list_entry_t>(out)[row] = {first, count};
  Vector& items = ListVector::GetEntry(out);
  for (size_t i = 0; i < count; ++i) read(bytes, items, first + i);
}

void read_text(Reader& bytes, Vector& out, size_t row) {
  const std::string_view text = bytes.take(bytes.take<uint32_t>());
  FlatVector::GetData<duckdb::string_t>(out)[row] =
      duckdb::StringVector::AddStringOrBlob(out, text.data(), text.size());
}

void read(Reader& bytes, Vector& out, size_t row) {
  const bool null = bytes.take<uint8_t>() != 0;
  const PhysicalType physical = out.GetType().InternalType();
  FlatVector::SetNull(out, row, null);
  if (null && physical == PhysicalType::LIST)
    FlatVector::GetData<duckdb::list_entry_t>(out)[row] = {ListVector::GetListSize(out), 0};
  if (null) return;
  switch (physical) {
    case PhysicalType::LIST:
      return read_list(bytes, out, row);
    case PhysicalType::VARCHAR:
      return read_text(bytes, out, row);
    case PhysicalType::ARRAY: {
      const size_t size = duckdb::ArrayType::GetSize(out.GetType());
      for (size_t i = 0; i < size; ++i) read(bytes, ArrayVector::GetEntry(out), row * size + i);
      return;
    }
    case PhysicalType::STRUCT:
      for (auto& field : StructVector::GetEntries(out)) read(bytes, *field, row);
      return;
    default: {
      const size_t width = fixed_width(out.GetType());
      std::memcpy(FlatVector::GetData(out) + row * width, bytes.take(width).data(), width);
    }
  }
}

}  // namespace

std::string value_bytes(const Vector& column, size_t row) {
  std::string out;
  append(column, row, out);
  return out;
}

void value_from_bytes(std::string_view bytes, Vector& out, size_t row) {
  Reader reader(bytes);
  read(reader, out, row);
  reader.end();
}

bool same_value(const LogicalType& type, std::string_view a, std::string_view b) {
  using duckdb::TypeVisitor;
  if (a == b) return true;
  const bool many_forms = TypeVisitor::Contains(type, LogicalTypeId::DOUBLE) ||
                          TypeVisitor::Contains(type, LogicalTypeId::FLOAT) ||
                          TypeVisitor::Contains(type, LogicalTypeId::INTERVAL);
  if (!many_forms) return false;
  Vector values(type, 2);
  value_from_bytes(a, values, 0);
  value_from_bytes(b, values, 1);
  return duckdb::Value::NotDistinctFrom(values.GetValue(0), values.GetValue(1));
}

}  // namespace headrace
