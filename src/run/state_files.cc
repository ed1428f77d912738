#include "run/state_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "duck/session.h"

namespace headrace {
namespace {

constexpr std::string_view plain_column = "plain";

Result<std::vector<LogicalType>> types_of(SqlSession& session, const std::vector<std::string>& texts) {
  std::vector<LogicalType> out;
  for (const std::string& text : texts) {
    HEADRACE_ASSIGN(LogicalType type, session.parse_type(text));
    out.push_back(std::move(type));
  }
  return out;
}

Result<TableSpec> spec_of(SqlSession& session, const TableRecord& record) {
  TableSpec out;
  out.name = record.name;
  out.names = record.names;
  out.plain_bytes = record.plain_bytes;
  HEADRACE_ASSIGN(out.key, types_of(session, record.key));
  HEADRACE_ASSIGN(out.values, types_of(session, record.values));
  return out;
}

}  // namespace

StateTable::StateTable(std::string name, TableSpec spec)
    : name_(std::move(name)), names_(spec.names), table_(std::move(spec)) {
  types_.assign(table_.layout().types.begin(), table_.layout().types.end());
  const size_t keys = table_.layout().key_columns;
  for (size_t column = names_.size(); column < types_.size(); ++column)
    names_.push_back(column < keys ? fmt::format("key_{}", column) : fmt::format("value_{}", column - keys));
  names_.emplace_back(plain_column);
  types_.push_back(LogicalType::BLOB);
}

Result<> StateTable::add(const SavedImages& block) {
  HEADRACE_ASSIGN(const std::vector<std::string_view> images, block.checked());
  for (std::string_view image : images) bytes_ += static_cast<int64_t>(image.size());
  ++saved_blocks_;
  return table_.load_share(images, 0, 1);
}

void StateTable::scan(size_t block, const std::vector<size_t>& columns, DataChunk& out) const {
  if (slots_.empty()) slots_ = table_.slots();
  const Slot* slots = slots_.data() + block * rows_per_batch;
  const size_t count = std::min<size_t>(rows_per_batch, slots_.size() - block * rows_per_batch);
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i] + 1 < names_.size()) {
      table_.gather(columns[i], slots, count, out.data[i]);
      continue;
    }
    auto* blobs = duckdb::FlatVector::GetData<duckdb::string_t>(out.data[i]);
    for (size_t row = 0; row < count; ++row)
      blobs[row] =
          duckdb::StringVector::AddStringOrBlob(out.data[i], table_.read_plain(slots[row]), table_.spec().plain_bytes);
  }
  out.SetCardinality(count);
}

Result<StateFiles> StateFiles::read(const std::string& directory) {
  StateFiles out;
  HEADRACE_ASSIGN(std::optional<Manifest> last, Manifest::read(directory));
  if (!last) return no_durable_state(directory);
  out.manifest = *std::move(last);
  HEADRACE_ASSIGN(out.segments, segment_sizes(directory + "/segments", out.manifest.segments));
  HEADRACE_ASSIGN(const std::unique_ptr<SqlSession> session, SqlSession::open());
  std::map<std::pair<uint32_t, uint32_t>, StateTable*> places;
  for (const TableRecord& record : out.manifest.tables) {
    HEADRACE_ASSIGN(TableSpec spec, spec_of(*session, record));
    const std::string kind = record.node < out.manifest.nodes.size() ? out.manifest.nodes[record.node].kind : "";
    out.tables.push_back(
        std::make_shared<StateTable>(fmt::format("{}_{}_{}", record.node, kind, record.name), std::move(spec)));
    places[{record.node, record.table}] = out.tables.back().get();
  }
  HEADRACE_ASSIGN(const Segments segments, Segments::open(directory + "/segments", out.manifest.segments));
  for (const SavedImages& block : segments.blocks())
    if (auto table = places.find({block.place.node, block.place.table}); table != places.end())
      HEADRACE_TRY(table->second->add(block));
  return out;
}

std::shared_ptr<StateTable> StateFiles::find(const std::string& name) const {
  for (const std::shared_ptr<StateTable>& table : tables)
    if (same_name(table->name(), name)) return table;
  return nullptr;
}

}  // namespace headrace
