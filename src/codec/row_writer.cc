#include "codec/row_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/json_value.h"

namespace headrace {

void RowWriter::add_row(int32_t diff, int64_t line) {
  if (diff != 1 && batch_.diffs.empty()) {
    batch_.diffs.reserve(rows_per_batch);
    batch_.diffs.assign(static_cast<size_t>(row_), 1);
  }
  if (diff != 1 || !batch_.diffs.empty()) batch_.diffs.push_back(diff);
  places_.push_back({line, decoded_.records});
  ++open_rows_;
  if (++row_ == rows_per_batch) close_batch();
}

void RowWriter::drop_row() {
  for (Vector& vector : batch_.chunk.data) set_valid(vector, row_);
}

void RowWriter::take_back_row() {
  if (row_ == 0) {  // It was the last one of a full batch.
    batch_ = std::move(decoded_.batches.back());
    decoded_.batches.pop_back();
    places_ = std::move(decoded_.places.back());
    decoded_.places.pop_back();
    blocks_.assign(schema_->size(), TextBlock{});
    row_ = batch_.rows();
  }
  --row_;
  places_.pop_back();
  if (!batch_.diffs.empty()) batch_.diffs.pop_back();
  drop_row();
}

void RowWriter::reject_record(std::string_view bytes, Code code, std::string reason, int64_t line) {
  drop_row();
  for (; open_rows_ > 0; --open_rows_) take_back_row();
  Rejected rejected;
  rejected.origin = fmt::format("{}:{}", origin_, line);
  rejected.bytes = std::string(bytes);
  rejected.code = code;
  rejected.reason = std::move(reason);
  rejected.index = decoded_.records++;
  decoded_.rejected.push_back(std::move(rejected));
}

void RowWriter::close_batch() {
  batch_.chunk.SetCardinality(static_cast<duckdb::idx_t>(row_));
  decoded_.batches.push_back(std::move(batch_));
  decoded_.places.push_back(std::move(places_));
  new_batch();
}

void RowWriter::new_batch() {
  batch_ = Batch::make(schema_);
  places_.clear();
  blocks_.assign(schema_->size(), TextBlock{});
  row_ = 0;
}

void RowWriter::new_block(size_t column, size_t bytes_min) {
  constexpr size_t block_bytes = 32 * 1024;
  const size_t bytes = std::max(bytes_min, block_bytes);
  duckdb::string_t block = duckdb::StringVector::EmptyString(batch_.chunk.data[column], bytes);
  blocks_[column] = {block.GetDataWriteable(), bytes};
}

Decoded RowWriter::finish() {
  if (row_ > 0) {
    batch_.chunk.SetCardinality(static_cast<duckdb::idx_t>(row_));
    decoded_.batches.push_back(std::move(batch_));
    decoded_.places.push_back(std::move(places_));
  }
  batch_ = Batch();
  return std::move(decoded_);
}

}  // namespace headrace
