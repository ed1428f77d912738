// The batches that a decoder is filling: rows one by one into flat vectors, without a trace of the rows that failed.
#pragma once

#include <string_view>
#include <utility>

#include "codec/decoder.h"

namespace headrace {

class RowWriter {
 public:
  explicit RowWriter(SchemaRef schema) : schema_(std::move(schema)) {}

  /// Starts one decode call.
  void begin(std::string_view origin) {
    origin_ = origin;
    decoded_ = Decoded{};
    batch_ = Batch::make(schema_);
    row_ = 0;
  }
  /// The cell of `column` in the row that is being written.
  Vector& vector(size_t column) { return batch_.chunk.data[column]; }
  int64_t row() const { return row_; }
  /// The row is complete; `diff` is +1 or -1.
  void keep_row(int32_t diff);
  /// The record failed: its row's cells are made valid again, and the record goes to the rejected ones.
  void reject_row(std::string_view bytes, Code code, std::string reason, int64_t line);
  Decoded finish();

 private:
  void close_batch();

  SchemaRef schema_;
  std::string_view origin_;
  Decoded decoded_;
  Batch batch_;
  int64_t row_ = 0;
};

}  // namespace headrace
