#include "run/quarantine.h"

#include <algorithm>
#include <set>

namespace headrace {
namespace {

enum Column : size_t {
  id_column,
  source_column,
  origin_column,
  bytes_column,
  code_column,
  reason_column,
  time_column,
  late_column,
  detail_column,
  replayed_column,
  node_column,
  input_column,
  shard_column,
  shards_column,
  diff_column,
  timed_column,
  row_column,
};

TableSpec quarantine_spec() {
  TableSpec out;
  out.name = "quarantine";
  out.values = {LogicalType::BIGINT,  LogicalType::VARCHAR, LogicalType::VARCHAR, LogicalType::BLOB,
                LogicalType::INTEGER, LogicalType::VARCHAR, LogicalType::BIGINT,  LogicalType::BOOLEAN,
                LogicalType::VARCHAR, LogicalType::BIGINT,  LogicalType::INTEGER, LogicalType::INTEGER,
                LogicalType::INTEGER, LogicalType::INTEGER, LogicalType::INTEGER, LogicalType::BOOLEAN,
                LogicalType::BLOB};
  return out;
}

void initialize(DataChunk& chunk, const TableSpec& spec) {
  chunk.Initialize(duckdb::Allocator::DefaultAllocator(), {spec.values.begin(), spec.values.end()});
}

/// Writes or reads one row of a chunk of the table.
class RowOfChunk {
 public:
  RowOfChunk(DataChunk& chunk, size_t row) : chunk_(chunk), row_(row) {}

  template <class T>
  T& number(Column column) const {
    return duckdb::FlatVector::GetData<T>(chunk_.data[column])[row_];
  }
  std::string text(Column column) const { return number<duckdb::string_t>(column).GetString(); }
  void set_text(Column column, const std::string& value) const {
    number<duckdb::string_t>(column) = duckdb::StringVector::AddStringOrBlob(chunk_.data[column], value);
  }

 private:
  DataChunk& chunk_;
  const size_t row_;
};

void write_row(const QuarantineRow& from, const RowOfChunk& to) {
  to.number<int64_t>(id_column) = from.id;
  to.set_text(source_column, from.source);
  to.set_text(origin_column, from.origin);
  to.set_text(bytes_column, from.bytes);
  to.number<int32_t>(code_column) = static_cast<int32_t>(from.code);
  to.set_text(reason_column, from.reason);
  to.number<int64_t>(time_column) = from.time_us;
  to.number<bool>(late_column) = from.late;
  to.set_text(detail_column, from.detail);
  to.number<int64_t>(replayed_column) = from.replayed_us;
  to.number<int32_t>(node_column) = from.reentry.node;
  to.number<int32_t>(input_column) = from.reentry.input;
  to.number<int32_t>(shard_column) = from.reentry.shard;
  to.number<int32_t>(shards_column) = from.reentry.shards;
  to.number<int32_t>(diff_column) = from.reentry.diff;
  to.number<bool>(timed_column) = from.reentry.timed;
  to.set_text(row_column, from.reentry.row);
}

QuarantineRow read_row(const RowOfChunk& from) {
  return {from.number<int64_t>(id_column),
          from.text(source_column),
          from.text(origin_column),
          from.text(bytes_column),
          static_cast<Code>(from.number<int32_t>(code_column)),
          from.text(reason_column),
          from.number<int64_t>(time_column),
          from.number<bool>(late_column),
          from.text(detail_column),
          from.number<int64_t>(replayed_column),
          {from.number<int32_t>(node_column), from.number<int32_t>(input_column), from.number<int32_t>(shard_column),
           from.number<int32_t>(shards_column), from.number<int32_t>(diff_column), from.number<bool>(timed_column),
           from.text(row_column)}};
}

}  // namespace

Quarantine::Quarantine() : table_(quarantine_spec()) {}

void Quarantine::add(const std::string& source, const Rejected& record, int64_t now_us) {
  std::lock_guard lock(mutex_);
  fresh_.push_back(
      {next_id_++, source, record.origin, record.bytes, record.code, record.reason, now_us, false, "", 0, {}});
}

void Quarantine::add(const std::string& node, RefusedRow row, int64_t now_us) {
  std::lock_guard lock(mutex_);
  fresh_.push_back({next_id_++, node, std::move(row.record.origin), std::move(row.record.bytes), row.record.code,
                    std::move(row.record.reason), now_us, row.late, std::move(row.detail), 0, std::move(row.reentry)});
}

void Quarantine::put(QuarantineRow row) {
  std::lock_guard lock(mutex_);
  fresh_.push_back(std::move(row));
}

void Quarantine::mark_replayed(const std::vector<int64_t>& ids, int64_t now_us) {
  flush();
  const std::set<int64_t> wanted(ids.begin(), ids.end());
  std::lock_guard lock(mutex_);
  const std::vector<Slot> slots = table_.slots();
  Vector now(LogicalType::BIGINT);
  duckdb::FlatVector::GetData<int64_t>(now)[0] = now_us;
  for (size_t at = 0; at < slots.size(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, slots.size() - at);
    Vector known(LogicalType::BIGINT);
    table_.gather(id_column, slots.data() + at, count, known);
    for (size_t i = 0; i < count; ++i)
      if (wanted.count(duckdb::FlatVector::GetData<int64_t>(known)[i]) > 0)
        table_.set_value(replayed_column, slots.data() + at + i, 1, now);
  }
}

void Quarantine::flush() {
  std::lock_guard lock(mutex_);
  for (size_t at = 0; at < fresh_.size(); at += rows_per_batch) {
    const size_t count = std::min<size_t>(rows_per_batch, fresh_.size() - at);
    DataChunk chunk;
    initialize(chunk, table_.spec());
    for (size_t row = 0; row < count; ++row) write_row(fresh_[at + row], RowOfChunk(chunk, row));
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
    initialize(chunk, table_.spec());
    for (size_t column = 0; column < chunk.ColumnCount(); ++column)
      gather_column(snapshot->layout(), column, addresses.data(), addresses.size(), chunk.data[column]);
    for (size_t row = 0; row < addresses.size(); ++row)
      if (RowOfChunk at(chunk, row); at.number<int64_t>(id_column) > after_id) out.push_back(read_row(at));
  }
  std::sort(out.begin(), out.end(), [](const QuarantineRow& a, const QuarantineRow& b) { return a.id < b.id; });
  if (static_cast<int64_t>(out.size()) > rows_max) out.resize(static_cast<size_t>(rows_max));
  return out;
}

}  // namespace headrace
