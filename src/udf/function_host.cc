// The host: which worker takes which call, and what is counted.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>

#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json_text.h"
#include "udf/describe.h"
#include "udf/function.h"
#include "udf/output_log.h"
#include "udf/worker.h"

namespace headrace {
namespace {

constexpr int64_t default_memory_bytes = int64_t{1} << 30;
constexpr int64_t default_timeout_ms = 30'000;
constexpr int64_t rows_per_call_max = 32'768;

/// A function with its workers; a call takes a free one or waits for it.
class HostedFunction {
 public:
  HostedFunction(const FunctionDescription& description, WorkerParent& parent, int output)
      : description_(description), types_(call_types(description)) {
    const Worker::Budgets budgets{description.memory_bytes > 0 ? description.memory_bytes : default_memory_bytes,
                                  description.timeout_ms > 0 ? description.timeout_ms : default_timeout_ms};
    for (int32_t i = 0; i < description.workers; ++i) {
      workers_.push_back(std::make_unique<Worker>(description_, types_.result, budgets, parent, output));
      free_.push_back(workers_.back().get());
    }
  }

  Result<> call(DataChunk& arguments, Vector& result) {
    HEADRACE_TRY(check_types(arguments, result));
    const auto rows = static_cast<int64_t>(arguments.size());
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    Worker& worker = take();
    Result<> outcome;
    for (int64_t first = 0; first < rows && outcome.ok(); first += rows_per_call_max)
      outcome = worker.call(arguments, first, std::min(rows_per_call_max, rows - first), result);
    give_back(worker);
    calls_.fetch_add(1, std::memory_order_relaxed);
    rows_.fetch_add(rows, std::memory_order_relaxed);
    if (!outcome.ok()) errors_.fetch_add(1, std::memory_order_relaxed);
    return outcome;
  }

  void append_status(std::string& out) const {
    int64_t restarts = 0, busy_us = 0, resident_bytes = 0;
    for (const auto& worker : workers_) {
      Worker::Counts counts = worker->counts();
      restarts += std::max<int64_t>(0, counts.starts - 1);
      busy_us += counts.busy_us;
      resident_bytes += counts.resident_bytes;
    }
    out += fmt::format(
        R"({{"name":{},"workers":{},"calls":{},"rows":{},"errors":{},"restarts":{},"busy_us":{},"worker_bytes":{}}})",
        json_string(description_.name), workers_.size(), calls_.load(), rows_.load(), errors_.load(), restarts, busy_us,
        resident_bytes);
  }

 private:
  Result<> check_types(DataChunk& arguments, Vector& result) const {
    bool fits = arguments.ColumnCount() == types_.arguments.size() && result.GetType() == types_.result;
    for (size_t i = 0; fits && i < arguments.ColumnCount(); ++i)
      fits = arguments.data[i].GetType() == types_.arguments[i];
    if (fits) return {};
    return Error{Code::internal, Blame::engine, Retry::never,
                 fmt::format("{} was called with columns that are not of its types", description_.name)};
  }

  Worker& take() {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [&] { return !free_.empty(); });
    Worker* worker = free_.back();  // The last one used: its memory is warm.
    free_.pop_back();
    return *worker;
  }

  void give_back(Worker& worker) {
    {
      std::lock_guard lock(mutex_);
      free_.push_back(&worker);
    }
    freed_.notify_one();
  }

  const FunctionDescription& description_;
  const CallTypes types_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<Worker*> free_;
  std::atomic<int64_t> calls_ = 0, rows_ = 0, errors_ = 0;
};

/// The tables of the shared memory have room for so many buffers.
Result<> check_layout(const FunctionDescription& function) {
  const CallTypes types = call_types(function);
  size_t spans = 0;
  for (const LogicalType& argument : types.arguments) spans += arrow_span_count(argument);
  if (spans <= spans_max && arrow_span_count(types.result) <= spans_max) return {};
  return user_error(Code::function_load,
                    fmt::format("{} has too many columns (structs count with all their fields)", function.name))
      .with_location({function.file, function.line, 0});
}

class ProcessFunctionHost final : public FunctionHost {
 public:
  ProcessFunctionHost(const FunctionHostOptions& options, std::vector<FunctionDescription> descriptions)
      : options_(options), descriptions_(std::move(descriptions)) {}

  Result<> start() {
    HEADRACE_ASSIGN(int parent_output, output_.add("(parent of the function workers)"));
    parent_.emplace(options_, parent_output);
    for (const FunctionDescription& description : descriptions_) {
      HEADRACE_TRY(check_layout(description));
      HEADRACE_ASSIGN(int output, output_.add(description.name));
      hosted_.push_back(std::make_unique<HostedFunction>(description, *parent_, output));
    }
    HEADRACE_TRY(output_.start());
    return parent_->start();
  }

  const std::vector<FunctionDescription>& functions() const override { return descriptions_; }

  Result<> call(size_t index, DataChunk& arguments, Vector& result) override {
    CHECK_LT(index, hosted_.size());
    return hosted_[index]->call(arguments, result);
  }

  std::string status_json() const override {
    std::string out = "{\"functions\":[";
    for (size_t i = 0; i < hosted_.size(); ++i) {
      if (i > 0) out += ',';
      hosted_[i]->append_status(out);
    }
    return out + "]}";
  }

 private:
  const FunctionHostOptions options_;
  const std::vector<FunctionDescription> descriptions_;
  // In this order: workers end before the parent that reaps them, and that before the reader of what they print.
  OutputLog output_;
  std::optional<WorkerParent> parent_;
  std::vector<std::unique_ptr<HostedFunction>> hosted_;
};

}  // namespace

Result<std::unique_ptr<FunctionHost>> start_function_host(const FunctionHostOptions& options) {
  std::vector<FunctionDescription> descriptions;
  HEADRACE_ASSIGN(auto files, glob_files(options.project_directory + "/functions/*.py"));
  if (!files.empty()) {
    HEADRACE_ASSIGN(descriptions, describe_functions(options));
  }
  auto host = std::make_unique<ProcessFunctionHost>(options, std::move(descriptions));
  if (!host->functions().empty()) HEADRACE_TRY(host->start());
  return std::unique_ptr<FunctionHost>(std::move(host));
}

}  // namespace headrace
