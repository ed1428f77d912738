#include "ops/unnest.h"

#include <algorithm>

#include "duck/rows.h"
#include "ops/failing.h"

namespace headrace {
namespace {

SchemaRef lists_schema(const UnnestNode& node) {
  std::vector<Field> fields;
  for (const Expr& list : node.lists) fields.push_back({"list", list.type(), true});
  return std::make_shared<Schema>(std::move(fields));
}

}  // namespace

UnnestOperator::UnnestOperator(const UnnestNode& node, const OperatorContext& context)
    : schema_(node.output.schema()),
      lists_schema_(lists_schema(node)),
      lists_(context.evaluation, node.lists, failing_of(node)) {}

Result<> UnnestOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  std::vector<uint32_t> failed;
  Batch in = batch.share();
  HEADRACE_ASSIGN(Batch lists, lists_.project(in, lists_schema_, [&](uint32_t row, const Error& reason) {
    out.reject(batch, row, reason);
    failed.push_back(row);
  }));
  if (!failed.empty()) {
    out.counters.quarantined += static_cast<int64_t>(failed.size());
    std::sort(failed.begin(), failed.end());
    batch = batch.slice(all_but(static_cast<size_t>(batch.rows()), failed));
  }
  const size_t rows = static_cast<size_t>(batch.rows());
  std::vector<uint64_t> lengths(rows);
  for (Vector& list : lists.chunk.data) longest_lists(list, rows, lengths);
  for (uint32_t row = 0; row < rows; ++row) {
    ++(lengths[row] == 0 ? out.counters.filtered : out.counters.passed);
    for (uint64_t element = 0; element < lengths[row]; ++element) {
      rows_.push_back(row);
      elements_.push_back(element);
      if (static_cast<int64_t>(rows_.size()) == rows_per_batch) HEADRACE_TRY(flush(batch, lists, out));
    }
  }
  return flush(batch, lists, out);
}

Result<> UnnestOperator::flush(Batch& in, Batch& lists, Emitter& out) {
  if (rows_.empty()) return {};
  Batch rows = in.slice(rows_);
  Batch unnested = Batch::make(schema_, rows_.size());
  const size_t width = rows.chunk.ColumnCount();
  for (size_t i = 0; i < width; ++i) unnested.chunk.data[i].Reference(rows.chunk.data[i]);
  for (size_t i = 0; i < lists.chunk.ColumnCount(); ++i)
    take_elements(lists.chunk.data[i], static_cast<size_t>(in.rows()), rows_, elements_,
                  unnested.chunk.data[width + i]);
  unnested.chunk.SetCardinality(rows_.size());
  unnested.diffs = std::move(rows.diffs);
  unnested.stamps_ms = std::move(rows.stamps_ms);
  unnested.ordinal = in.ordinal;
  rows_.clear();
  elements_.clear();
  return out.emit(std::move(unnested), 0);
}

}  // namespace headrace
