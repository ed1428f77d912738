// Window assignment as an operator of its own: where a window function is read without an aggregation right above it.
#pragma once

#include "ops/operator.h"
#include "ops/window_math.h"

namespace headrace {

/// Adds window_start, window_end, window_time; a row in n windows comes out n times, windows in order of end, without
/// those that have closed. Stateless. Rows without a time are filtered: they belong to no window.
class WindowAssignOperator final : public Operator {
 public:
  explicit WindowAssignOperator(const WindowAssignNode& node)
      : math_(node.window), time_column_(node.window.time_column), schema_(node.output.schema()) {}
  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;

 private:
  Result<> flush(Batch& batch, Emitter& out);

  WindowMath math_;
  size_t time_column_;
  SchemaRef schema_;
  std::vector<uint32_t> rows_;
  std::vector<int64_t> ends_;
};

/// Sends rows that every window refuses to output 1 with late_operator and late_watermark, the others to output 0.
/// Stateless.
class LateFilterOperator final : public Operator {
 public:
  explicit LateFilterOperator(const LateFilterNode& node)
      : math_(node.window), time_column_(node.window.time_column), window_name_(node.window_name) {}
  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override;

 private:
  WindowMath math_;
  size_t time_column_;
  std::string window_name_;
};

/// Gathers late rows.
class LateOperator final : public Operator {
 public:
  explicit LateOperator(const LateNode& node) : schema_(node.output.schema()) {}
  Result<> on_batch(uint32_t, Batch batch, Emitter& out) override {
    out.counters.passed += batch.rows();
    batch.schema = schema_;
    return out.emit(std::move(batch), 0);
  }

 private:
  SchemaRef schema_;
};

}  // namespace headrace
