// The batches that a decoder is filling: rows one by one into flat vectors, without a trace of the rows that failed.
#pragma once

#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "codec/decoder.h"

namespace headrace {

class RowWriter {
 public:
  explicit RowWriter(SchemaRef schema) : schema_(std::move(schema)) {}

  /// Starts one decode call.
  void begin(std::string_view origin) {
    origin_ = origin;
    decoded_ = Decoded{};
    new_batch();
  }
  /// The cell of `column` in the row that is being written.
  Vector& vector(size_t column) { return batch_.chunk.data[column]; }
  int64_t row() const { return row_; }
  /// Puts a text that needs no check into the cell of `column`. Long texts are laid one behind the other in blocks of
  /// the vector's memory: asking DuckDB for each one costs more than copying it.
  void put_text(size_t column, std::string_view text) {
    auto* cells = duckdb::FlatVector::GetDataUnsafe<duckdb::string_t>(batch_.chunk.data[column]);
    const uint32_t length = static_cast<uint32_t>(text.size());
    if (length > duckdb::string_t::INLINE_LENGTH) {
      if (blocks_[column].size < length) new_block(column, length);
      TextBlock& block = blocks_[column];
      std::memcpy(block.free, text.data(), length);
      cells[row_] = duckdb::string_t(block.free, length);
      block.free += length;
      block.size -= length;
    } else {
      cells[row_] = duckdb::string_t(text.data(), length);
    }
  }
  /// The row is complete and is its whole record, which began on line `line`; `diff` is +1 or -1.
  void keep_row(int32_t diff, int64_t line) {
    add_row(diff, line);
    end_record();
  }
  /// The row is complete; its record has more to say.
  void add_row(int32_t diff, int64_t line);
  /// The row that is being written is not wanted.
  void drop_row();
  /// The record is complete, with the rows added since the last one.
  void end_record() {
    open_rows_ = 0;
    ++decoded_.records;
  }
  /// The record failed: its rows are taken back, and it goes to the rejected ones.
  void reject_record(std::string_view bytes, Code code, std::string reason, int64_t line);
  Decoded finish();

 private:
  struct TextBlock {
    char* free = nullptr;
    size_t size = 0;
  };

  void new_batch();
  void new_block(size_t column, size_t bytes_min);
  void close_batch();
  void take_back_row();

  SchemaRef schema_;
  std::string_view origin_;
  Decoded decoded_;
  Batch batch_;
  std::vector<RecordPlace> places_;  ///< Of the batch's rows.
  std::vector<TextBlock> blocks_;    ///< By column; each belongs to the batch's vector.
  int64_t row_ = 0;
  int64_t open_rows_ = 0;  ///< Rows of the record that is being read.
};

}  // namespace headrace
