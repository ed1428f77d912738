#include "run/quarantine.h"

#include <algorithm>

namespace headrace {
namespace {

/// id, source, origin, bytes, code, reason, time_us, late
TableSpec quarantine_spec() {
  TableSpec out;
  out.name = "quarantine";
  out.values = {LogicalType::BIGINT,  LogicalType::VARCHAR, LogicalType::VARCHAR, LogicalType::BLOB,
                LogicalType::INTEGER, LogicalType::VARCHAR, LogicalType::BIGINT,  LogicalType::BOOLEAN};
  return out;
}

}  // namespace

Quarantine::Quarantine() : table_(quarantine_spec()) {}

void Quarantine::add(const std::string& source, const Rejected& record, bool late, int64_t now_us) {
  std::lock_guard lock(mutex_);
  fresh_.push_back({next_id_++, source, record.origin, record.bytes, record.code, record.reason, now_us, late});
}

void Quarantine::flush() {
  std::lock_guard lock(mutex_);
  for (size_t at = 0; at < fresh_.size(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, fresh_.size() - at);
    DataChunk chunk;
    chunk.Initialize(duckdb::Allocator::DefaultAllocator(), {table_.spec().values.begin(), table_.spec().values.end()});
    auto text = [&](size_t column, size_t row, const std::string& value) {
      duckdb::FlatVector::GetData<duckdb::string_t>(chunk.data[column])[row] =
          duckdb::StringVector::AddStringOrBlob(chunk.data[column], value);
    };
    for (size_t row = 0; row < count; ++row) {
      const QuarantineRow& from = fresh_[at + row];
      duckdb::FlatVector::GetData<int64_t>(chunk.data[0])[row] = from.id;
      text(1, row, from.source);
      text(2, row, from.origin);
      text(3, row, from.bytes);
      duckdb::FlatVector::GetData<int32_t>(chunk.data[4])[row] = static_cast<int32_t>(from.code);
      text(5, row, from.reason);
      duckdb::FlatVector::GetData<int64_t>(chunk.data[6])[row] = from.time_us;
      duckdb::FlatVector::GetData<bool>(chunk.data[7])[row] = from.late;
    }
    chunk.SetCardinality(count);
    std::vector<uint64_t> hashes(count);
    std::vector<Slot> slots(count);
    table_.append(chunk, hashes.data(), count, slots.data());
  }
  fresh_.clear();
}

void Quarantine::restored(int64_t next_id) {
  std::lock_guard lock(mutex_);
  next_id_ = next_id;
}

std::vector<QuarantineRow> Quarantine::rows(int64_t after_id, int64_t rows_max) const {
  std::shared_ptr<const TableSnapshot> snapshot;
  std::vector<QuarantineRow> out;
  {
    std::lock_guard lock(mutex_);
    snapshot = table_.snapshot();
    for (const QuarantineRow& row : fresh_)
      if (row.id > after_id) out.push_back(row);
  }
  std::vector<const char*> addresses;
  for (size_t block = 0; block < snapshot->blocks(); ++block) {
    snapshot->addresses(block, addresses);
    DataChunk chunk;
    chunk.Initialize(duckdb::Allocator::DefaultAllocator(), {table_.spec().values.begin(), table_.spec().values.end()});
    for (size_t column = 0; column < chunk.ColumnCount(); ++column)
      gather_column(snapshot->layout(), column, addresses.data(), addresses.size(), chunk.data[column]);
    auto text = [&](size_t column, size_t row) {
      return duckdb::FlatVector::GetData<duckdb::string_t>(chunk.data[column])[row].GetString();
    };
    for (size_t row = 0; row < addresses.size(); ++row) {
      const int64_t id = duckdb::FlatVector::GetData<int64_t>(chunk.data[0])[row];
      if (id <= after_id) continue;
      out.push_back({id, text(1, row), text(2, row), text(3, row),
                     static_cast<Code>(duckdb::FlatVector::GetData<int32_t>(chunk.data[4])[row]), text(5, row),
                     duckdb::FlatVector::GetData<int64_t>(chunk.data[6])[row],
                     duckdb::FlatVector::GetData<bool>(chunk.data[7])[row]});
    }
  }
  std::sort(out.begin(), out.end(), [](const QuarantineRow& a, const QuarantineRow& b) { return a.id < b.id; });
  if (static_cast<int64_t>(out.size()) > rows_max) out.resize(static_cast<size_t>(rows_max));
  return out;
}

}  // namespace headrace
