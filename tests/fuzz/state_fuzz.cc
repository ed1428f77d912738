// Fuzzes what reads a checkpoint: its manifest, its segments, the images of blocks and the tables made from them. Any
// bytes give rows or corrupt_state; what was read is written so that it is read again as the same.
//
// The checksums are passed over, so that what lies behind them is reached too. What lies inside a value (a nested type,
// an operator's plain bytes) is not looked at: there the CRC-32 alone stands between damage and an operator.
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>

#include "base/check.h"
#include "base/file.h"
#include "run/checkpoint.h"
#include "run/segment.h"
#include "state/table.h"

using namespace headrace;

namespace {

using Images = std::vector<std::string_view>;

TableSpec table_spec(bool keyed) {
  TableSpec out;
  out.name = "fuzz";
  if (keyed) out.key = {LogicalType::BIGINT};
  out.values = {LogicalType::VARCHAR, LogicalType::INTEGER, LogicalType::BLOB};
  out.plain_bytes = 16;
  return out;
}

/// Value `row` of a column; rows themselves hold addresses of their texts.
std::string value_of(Vector& column, size_t row) {
  if (duckdb::FlatVector::IsNull(column, row)) return "NULL";
  const size_t width = duckdb::GetTypeIdSize(column.GetType().InternalType());
  const char* at = reinterpret_cast<const char*>(duckdb::FlatVector::GetData(column)) + row * width;
  if (column.GetType().InternalType() != duckdb::PhysicalType::VARCHAR) return std::string(at, width);
  return reinterpret_cast<const duckdb::string_t*>(at)->GetString();
}

/// All that a table holds.
std::vector<std::string> contents(const Table& table) {
  const std::vector<Slot> slots = table.slots();
  CHECK_EQ(static_cast<int64_t>(slots.size()), table.rows());
  std::vector<std::string> out;
  for (Slot slot : slots) out.emplace_back(table.read_plain(slot), table.spec().plain_bytes);
  for (size_t column = 0; column < table.layout().types.size(); ++column) {
    Vector values(table.layout().types[column]);
    table.gather(column, slots.data(), slots.size(), values);
    for (size_t row = 0; row < slots.size(); ++row) out.push_back(value_of(values, row));
  }
  return out;
}

void load_table(const Images& images, bool keyed) {
  Table table(table_spec(keyed));
  if (!table.load(0, images)) return;
  const std::string saved = table.save(true)[0].bytes;
  Table again(table_spec(keyed)), shared(table_spec(keyed));
  CHECK(again.load(0, {saved}).ok() && contents(again) == contents(table));
  CHECK(shared.load_share({saved}, 0, 1).ok());
  CHECK_EQ(shared.rows(), table.rows());
  for (Slot slot : table.slots()) table.erase(slot);
  CHECK_EQ(table.rows(), 0);
}

void load_images(const Images& images) {
  if (const Result<BlockImage> folded = fold(images)) {
    const std::string written = folded->write();
    CHECK(fold({written}).ok());
  }
  for (const bool keyed : {true, false}) load_table(images, keyed);
}

/// Two bytes say where a later image begins.
void read_images(std::string_view bytes) {
  load_images({bytes});
  uint16_t first = 0;
  if (bytes.size() < sizeof(first)) return;
  std::memcpy(&first, bytes.data(), sizeof(first));
  bytes.remove_prefix(sizeof(first));
  if (first <= bytes.size()) load_images({bytes.substr(0, first), bytes.substr(first)});
}

/// Where the bytes stand as a file; goes with the process.
struct Folder {
  Folder() : path(std::filesystem::temp_directory_path() / ("headrace-fuzz-" + std::to_string(getpid()))) {
    CHECK(make_directories(path).ok());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

void read_segment(std::string_view bytes) {
  static const Folder folder;
  CHECK(write_file_atomically(folder.path + "/segment", bytes).ok());
  const Result<Segments> segments = Segments::open(folder.path, {"segment"});
  if (!segments) return;
  Table table(table_spec(true));
  for (const SavedImages& block : segments->blocks()) {
    (void)block.checked();
    Images images;
    for (const SavedImages::Image& image : block.images) images.push_back(image.bytes);
    (void)table.load(block.place.block, images);
  }
}

void read_manifest(std::string_view bytes) {
  const Result<Manifest> read = Manifest::parse(bytes);
  if (!read) return;
  const std::string written = read->json();
  const Result<Manifest> again = Manifest::parse(written);
  CHECK(again.ok() && again->json() == written);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  read_images(bytes);
  read_segment(bytes);
  read_manifest(bytes);
  return 0;
}
