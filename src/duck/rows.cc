#include "duck/rows.h"

#include <cstring>
#include <duckdb/common/serializer/binary_deserializer.hpp>
#include <duckdb/common/serializer/binary_serializer.hpp>
#include <duckdb/common/serializer/memory_stream.hpp>
#include <duckdb/common/types/value.hpp>
#include <duckdb/common/vector_operations/vector_operations.hpp>

namespace headrace {

size_t fixed_width(const LogicalType& type) {
  duckdb::PhysicalType physical = type.InternalType();
  return duckdb::TypeIsConstantSize(physical) ? duckdb::GetTypeIdSize(physical) : 0;
}

bool is_text(const LogicalType& type) {
  return type.InternalType() == duckdb::PhysicalType::VARCHAR;
}

std::string value_bytes(const Vector& column, size_t row) {
  duckdb::MemoryStream stream;
  duckdb::BinarySerializer serializer(stream);
  serializer.Begin();
  column.GetValue(row).Serialize(serializer);
  serializer.End();
  return {reinterpret_cast<const char*>(stream.GetData()), stream.GetPosition()};
}

void value_from_bytes(std::string_view bytes, Vector& out, size_t row) {
  duckdb::MemoryStream stream(reinterpret_cast<duckdb::data_ptr_t>(const_cast<char*>(bytes.data())), bytes.size());
  duckdb::BinaryDeserializer deserializer(stream);
  deserializer.Begin();
  out.SetValue(row, duckdb::Value::Deserialize(deserializer));
  deserializer.End();
}

void hash_rows(DataChunk& columns, uint64_t* out) {
  Vector hashes(LogicalType::HASH, columns.size());
  columns.Hash(hashes);
  hashes.Flatten(columns.size());
  std::memcpy(out, duckdb::FlatVector::GetData<uint64_t>(hashes), columns.size() * sizeof(uint64_t));
}

std::vector<uint8_t> equal_rows(DataChunk& a, DataChunk& b, size_t first_column) {
  std::vector<uint8_t> same(a.size(), 1);
  duckdb::SelectionVector different(a.size());
  for (size_t column = first_column; column < a.ColumnCount(); ++column) {
    duckdb::idx_t count =
        duckdb::VectorOperations::DistinctFrom(a.data[column], b.data[column], nullptr, a.size(), &different, nullptr);
    for (duckdb::idx_t i = 0; i < count; ++i) same[different.get_index(i)] = 0;
  }
  return same;
}

}  // namespace headrace
