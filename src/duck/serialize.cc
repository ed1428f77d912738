#include "duck/serialize.h"

#include <duckdb/common/allocator.hpp>
#include <duckdb/common/serializer/binary_deserializer.hpp>
#include <duckdb/common/serializer/binary_serializer.hpp>
#include <duckdb/common/serializer/memory_stream.hpp>
#include <exception>

namespace headrace {

void serialize_chunk(const DataChunk& chunk, std::string& out) {
  duckdb::MemoryStream stream(duckdb::Allocator::DefaultAllocator());
  duckdb::BinarySerializer serializer(stream);
  serializer.Begin();
  chunk.Serialize(serializer);
  serializer.End();
  out.append(reinterpret_cast<const char*>(stream.GetData()), stream.GetPosition());
}

Result<> deserialize_chunk(std::string_view bytes, DataChunk& out) {
  try {
    duckdb::MemoryStream stream(reinterpret_cast<duckdb::data_ptr_t>(const_cast<char*>(bytes.data())), bytes.size());
    duckdb::BinaryDeserializer deserializer(stream);
    deserializer.Begin();
    out.Deserialize(deserializer);
    deserializer.End();
    return {};
  } catch (const std::exception& exception) {
    return Error{Code::corrupt_state,
                 Blame::environment,
                 Retry::never,
                 std::string("a stored chunk cannot be read: ") + exception.what(),
                 {},
                 {}};
  }
}

}  // namespace headrace
