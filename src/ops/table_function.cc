#include "ops/table_function.h"

#include "udf/call_each.h"

namespace headrace {
namespace {

constexpr uint32_t no_item = UINT32_MAX;  // LEFT JOIN: a row without any stays, with NULLs.

}  // namespace

TableFunctionOperator::TableFunctionOperator(const TableFunctionNode& node)
    : function_(node.function),
      arguments_(node.arguments),
      keeps_all_(node.keeps_all),
      types_(call_types(node.function.description())),
      schema_(node.output.schema()) {}

Result<> TableFunctionOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  const size_t count = static_cast<size_t>(batch.rows());
  DataChunk arguments;
  arguments.InitializeEmpty({types_.arguments.begin(), types_.arguments.end()});
  for (size_t i = 0; i < arguments_.size(); ++i) arguments.data[i].Reference(batch.chunk.data[arguments_[i]]);
  arguments.SetCardinality(count);
  Vector lists(types_.result, std::max<size_t>(count, 1));
  std::vector<uint8_t> failed(count);
  HEADRACE_TRY(call_each(function_, arguments, lists, [&](size_t row, const Error& reason) {
    out.reject(batch, static_cast<uint32_t>(row), reason);
    failed[row] = 1;
    ++out.counters.quarantined;
  }));
  const auto* entries = duckdb::FlatVector::GetData<duckdb::list_entry_t>(lists);
  const duckdb::ValidityMask& valid = duckdb::FlatVector::Validity(lists);
  Vector& structs = duckdb::ListVector::GetEntry(lists);
  std::vector<uint32_t> rows, items;
  auto add = [&](uint32_t row, uint32_t item) -> Result<> {
    rows.push_back(row);
    items.push_back(item);
    if (rows.size() < rows_per_batch) return {};
    return emit(batch, std::exchange(rows, {}), std::exchange(items, {}), structs, out);
  };
  for (uint32_t row = 0; row < count; ++row) {
    if (failed[row]) continue;
    const uint64_t length = valid.RowIsValid(row) ? entries[row].length : 0;
    ++(length > 0 || keeps_all_ ? out.counters.passed : out.counters.filtered);
    for (uint64_t i = 0; i < length; ++i) HEADRACE_TRY(add(row, static_cast<uint32_t>(entries[row].offset + i)));
    if (length == 0 && keeps_all_) HEADRACE_TRY(add(row, no_item));
  }
  return rows.empty() ? Result<>{} : emit(batch, rows, items, structs, out);
}

/// One batch of the rows `rows` beside the function's rows `items`.
Result<> TableFunctionOperator::emit(Batch& batch, const std::vector<uint32_t>& rows,
                                     const std::vector<uint32_t>& items, Vector& structs, Emitter& out) {
  const size_t width = batch.chunk.ColumnCount();
  Batch result = Batch::make(schema_, rows.size());
  Batch taken = batch.slice(rows);
  duckdb::SelectionVector selection(rows.size());
  for (size_t i = 0; i < items.size(); ++i) selection.set_index(i, items[i] == no_item ? 0 : items[i]);
  for (size_t column = 0; column < width; ++column)
    duckdb::VectorOperations::Copy(taken.chunk.data[column], result.chunk.data[column], rows.size(), 0, 0);
  auto& fields = duckdb::StructVector::GetEntries(structs);
  for (size_t field = 0; field < fields.size(); ++field) {
    Vector& target = result.chunk.data[width + field];
    duckdb::VectorOperations::Copy(*fields[field], target, selection, rows.size(), 0, 0);
    for (size_t i = 0; i < items.size(); ++i)
      if (items[i] == no_item) duckdb::FlatVector::SetNull(target, i, true);
  }
  result.chunk.SetCardinality(rows.size());
  result.diffs = std::move(taken.diffs);
  result.stamps_ms = std::move(taken.stamps_ms);
  result.ordinal = batch.ordinal;
  return out.emit(std::move(result), 0);
}

}  // namespace headrace
