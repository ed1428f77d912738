// One worker process of one function: started when first needed, asked over shared memory, killed at its deadline,
// replaced when it has died. One thread at a time.
#pragma once

#include <mutex>
#include <optional>
#include <span>

#include "base/process.h"
#include "duck/arrow.h"
#include "udf/callee.h"
#include "udf/memory_slope.h"
#include "udf/segment.h"
#include "udf/spin.h"
#include "udf/worker_parent.h"

namespace headrace {

/// The mapped memory of one worker process. Its size is sealed: a function cannot take pages away from under the
/// engine.
class Segment {
 public:
  static Result<Segment> make();
  Segment(Segment&& other) noexcept;
  Segment& operator=(Segment&& other) noexcept;
  ~Segment();

  SegmentHeader& header() { return *reinterpret_cast<SegmentHeader*>(memory_); }
  std::span<std::byte> bytes() { return {memory_, segment_bytes}; }
  int descriptor() const { return descriptor_.number(); }

 private:
  Segment(Descriptor descriptor, std::byte* memory) : descriptor_(std::move(descriptor)), memory_(memory) {}
  Descriptor descriptor_;
  std::byte* memory_ = nullptr;
};

class Worker final : public Callee {
 public:
  struct Budgets {
    int64_t memory_bytes = 0;
    int64_t timeout_ms = 0;
  };

  /// `output` takes what the function prints; it stays open as long as this.
  Worker(const FunctionDescription& function, LogicalType result, Budgets budgets, WorkerParent& parent, int output)
      : function_(function), result_(std::move(result)), budgets_(budgets), parent_(parent), output_(output) {}
  ~Worker() override { end(); }

  /// Rows that do not fit the shared memory together are sent in halves.
  Result<> call(DataChunk& arguments, int64_t first, int64_t rows, Vector& result) override;

  /// Finds the row also when it kills or hangs the process. Each row has the whole time budget. A row is to blame for
  /// the end of a process only where it was the first that the process had: what earlier rows left behind may have
  /// killed it.
  Result<std::optional<RowFailure>> first_failure(DataChunk& arguments, int64_t first, int64_t rows) override;

  Counts counts() const override {
    return {starts_.load(), busy_us_.load(), resident_bytes_.load(), leak_.load(), back_us_max_.load()};
  }
  std::string report() const override;

 private:
  enum class Fit : uint8_t { fits, too_large };

  /// One request. Without a `result` the rows are tried one by one.
  Result<Fit> attempt(DataChunk& arguments, int64_t first, int64_t rows, Vector* result);
  /// The same, a second time where the first one's failure may not be these rows' doing.
  Result<Fit> attempt_again(DataChunk& arguments, int64_t first, int64_t rows, Vector* result);
  Result<> ensure_running();
  Result<> await_loaded();
  Result<Fit> send(DataChunk& arguments, int64_t first, int64_t rows, bool one_by_one);
  /// Waits for one of the states `a` and `b`. Errors: function_died, function_timeout (the worker is killed).
  Result<SlotState> await_state(SlotState a, SlotState b, int64_t timeout_ms);
  Result<Fit> receive(SlotState state, int64_t first, int64_t rows, Vector* result);
  Result<Fit> take_over(SlotState state, const SegmentHeader::WorkerFields& answer, int64_t first, int64_t rows,
                        Vector* result);
  void note_row();
  void note_memory(const SegmentHeader::WorkerFields& answer);
  bool sleep_until_ring(int64_t deadline_ns);
  void ring();
  Error died();
  Error spoiled(const char* what);
  /// Ends a process that has failed, and takes note of whose doing it may be.
  void end_failed();
  /// False when the function has written over what it was asked.
  bool request_stands();
  std::string error_text(uint32_t bytes);
  void end();

  const FunctionDescription& function_;
  const LogicalType result_;  ///< Of a call.
  const Budgets budgets_;
  WorkerParent& parent_;
  const int output_;

  std::optional<Segment> segment_;  ///< Set while a process runs, as are channel_ and forked_.
  Descriptor channel_;
  WorkerParent::Forked forked_;
  uint32_t generation_ = 0;
  uint32_t row_ = 0;              ///< Where the last request stands, or stood when it failed.
  uint32_t rows_one_by_one_ = 0;  ///< Rows of the last request if it goes row by row, else 0.
  bool died_unasked_ = false;     ///< The last worker ended before it took its request: the function had no part in it.
  bool died_used_ = false;        ///< The last worker ended, and had run rows before the one it ended with.
  AdaptiveSpin spin_;
  SegmentHeader::EngineFields request_{};  ///< As written into the segment, as are spans_.
  std::vector<ArrowSpan> spans_;

  int32_t deaths_in_a_row_ = 0;
  MemorySlope slope_;
  uint64_t looks_ = 0, reports_ = 0;
  std::atomic<double> leak_ = 0;
  mutable std::mutex report_mutex_;
  std::string report_;
  std::atomic<int64_t> starts_ = 0, busy_us_ = 0, resident_bytes_ = 0, back_us_max_ = 0;
};

}  // namespace headrace
