// The host: which worker takes which call, and what is counted.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>

#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json_text.h"
#include "udf/call_detail.h"
#include "udf/function.h"
#include "udf/interpreters.h"
#include "udf/known_failures.h"
#include "udf/model.h"
#include "udf/output_log.h"
#include "udf/worker.h"

namespace headrace {
namespace {

constexpr int64_t default_memory_bytes = int64_t{1} << 30;
constexpr int64_t default_timeout_ms = 30'000;
constexpr int64_t rows_per_call_max = 32'768;

/// Where a function runs: in workers that a parent forks, or, a model, in the engine. The other one is nullptr.
struct Place {
  WorkerParent* parent = nullptr;
  std::shared_ptr<Model> model;
};

/// A function with its workers; a call takes a free one, makes one, or waits.
class HostedFunction {
 public:
  HostedFunction(const FunctionDescription& description, Place place, int output)
      : description_(description), types_(call_types(description)), place_(std::move(place)), output_(output) {}

  /// Goes on with other code of the same kind and types. Waits for the calls that run.
  void take_up(const FunctionDescription& description, Place place) {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [&] { return free_.size() == workers_.size(); });
    free_.clear();
    workers_.clear();
    description_ = description;
    place_ = std::move(place);
    known_failures_.clear();
    rows_per_call_ = rows_per_batch;
    rows_borne_ = rows_per_call_max;
  }

  Result<> call(DataChunk& arguments, Vector& result) {
    HEADRACE_TRY(check_types(arguments, result));
    if (std::optional<Error> error = known_failures_.first_of(arguments)) return *std::move(error);
    const auto rows = static_cast<int64_t>(arguments.size());
    result.SetVectorType(duckdb::VectorType::FLAT_VECTOR);
    Callee& worker = take();
    Result<> outcome = call_parts(worker, arguments, 0, rows, result);
    give_back(worker);
    calls_.fetch_add(1, std::memory_order_relaxed);
    rows_.fetch_add(rows, std::memory_order_relaxed);
    if (!outcome.ok()) errors_.fetch_add(1, std::memory_order_relaxed);
    return outcome;
  }

  void append_status(std::string& out) const {
    std::lock_guard lock(mutex_);
    int64_t restarts = 0, busy_us = 0, resident_bytes = 0, back_us_max = 0;
    double leak = 0;
    std::string report;
    for (const auto& worker : workers_) {
      Callee::Counts counts = worker->counts();
      restarts += std::max<int64_t>(0, counts.starts - 1);
      busy_us += counts.busy_us;
      resident_bytes += counts.resident_bytes;
      back_us_max = std::max(back_us_max, counts.back_us_max);
      if (counts.leak_bytes_per_call > leak || report.empty()) report = worker->report();
      leak = std::max(leak, counts.leak_bytes_per_call);
    }
    out += fmt::format(
        R"({{"name":{},"in_engine":{},"workers":{},"calls":{},"rows":{},"errors":{},"restarts":{},"busy_us":{},"worker_bytes":{},"back_us_max":{},"leak_bytes_per_call":{:.0f},{},"hash":{},"file":{},"environment":{}}})",
        json_string(description_.name), place_.model != nullptr, place_.model ? 0 : workers_.size(), calls_.load(),
        rows_.load(), errors_.load(), restarts, busy_us, resident_bytes, back_us_max, leak,
        report.empty() ? R"("growing":[],"gauges":{})" : report, json_string(description_.hash),
        json_string(description_.file), json_string(description_.environment));
  }

 private:
  bool is_by_row() const {
    return description_.kind == FunctionKind::scalar || description_.kind == FunctionKind::vectorized;
  }

  /// Calls with rows [first, first + rows), as many at a time as may be. A function's budgets are for a batch: more
  /// rows than that go together only where the time they take leaves most of its budget, and where it bears them.
  Result<> call_parts(Callee& worker, DataChunk& arguments, int64_t first, int64_t rows, Vector& result) {
    const int64_t end = first + rows;
    while (first < end) {
      const int64_t part = std::min(is_by_row() ? rows_per_call_.load() : rows_per_call_max, end - first);
      const int64_t began_ns = system_clock().steady_ns();
      HEADRACE_TRY(call_part(worker, arguments, first, part, result));
      first += part;
      const int64_t share = timeout_ms() * 1'000'000 / std::max<int64_t>(1, system_clock().steady_ns() - began_ns);
      if (share < 4) rows_per_call_ = std::max(rows_per_batch, part / 2);
      if (share > 16 && part == rows_per_call_) rows_per_call_ = std::min(2 * part, rows_borne_.load());
    }
    return {};
  }

  /// More rows than a batch have failed together: each batch by itself, as if they had come so.
  Result<> call_batches(Callee& worker, DataChunk& arguments, int64_t first, int64_t rows, Vector& result) {
    for (int64_t at = first; at < first + rows; at += rows_per_batch)
      HEADRACE_TRY(call_part(worker, arguments, at, std::min(rows_per_batch, first + rows - at), result));
    rows_borne_ = std::max(rows_per_batch, rows / 2);  // It may have been their number.
    rows_per_call_ = rows_per_batch;
    return {};
  }

  /// Calls with rows [first, first + rows). When they fail, the rows to blame are found one by one: `on_error` says
  /// what becomes of them.
  Result<> call_part(Callee& worker, DataChunk& arguments, int64_t first, int64_t rows, Vector& result) {
    Result<> outcome = worker.call(arguments, first, rows, result);
    if (outcome.ok() || outcome.error().blame != Blame::user || outcome.error().code == Code::function_load)
      return outcome;
    if (is_by_row() && rows > rows_per_batch) return call_batches(worker, arguments, first, rows, result);
    if (!is_by_row()) {
      Error error = description_.on_error == OnError::fail ? stopped_by(outcome.error()) : outcome.error();
      if (rows == 1) error.detail = call_detail(description_, arguments, first);
      return error;  // The caller looks further, by its own halves.
    }
    std::vector<Callee::RowFailure> failures;
    if (rows == 1) failures.push_back({first, outcome.error()});
    for (int64_t at = first; rows > 1 && at < first + rows; at = failures.back().row + 1) {
      HEADRACE_ASSIGN(std::optional<Callee::RowFailure> found, worker.first_failure(arguments, at, first + rows - at));
      if (!found) break;
      failures.push_back(*std::move(found));
    }
    for (Callee::RowFailure& failure : failures)
      failure.error.detail = call_detail(description_, arguments, failure.row);
    switch (description_.on_error) {
      case OnError::null:
        return fill_around(worker, arguments, first, rows, failures, result);
      case OnError::fail:
        return stopped_by(failures.empty() ? outcome.error() : failures.front().error);
      case OnError::quarantine:
        break;
    }
    // Each row alone is fine: it was bad luck, or it is their number.
    if (failures.empty()) return worker.call(arguments, first, rows, result);
    if (description_.deterministic)
      for (const Callee::RowFailure& failure : failures) known_failures_.add(arguments, failure.row, failure.error);
    return failures.front().error;
  }

  /// NULL for the rows that fail, and calls with the stretches between them.
  Result<> fill_around(Callee& worker, DataChunk& arguments, int64_t first, int64_t rows,
                       const std::vector<Callee::RowFailure>& failures, Vector& result) {
    auto call_stretch = [&](int64_t from, int64_t count) -> Result<> {
      if (count > 1 && count == rows) {  // No row is to blame: it is their number.
        HEADRACE_TRY(call_part(worker, arguments, from, count / 2, result));
        return call_part(worker, arguments, from + count / 2, count - count / 2, result);
      }
      return count > 0 ? call_part(worker, arguments, from, count, result) : Result<>();
    };
    int64_t at = first;
    for (const Callee::RowFailure& failure : failures) {
      HEADRACE_TRY(call_stretch(at, failure.row - at));
      duckdb::FlatVector::SetNull(result, static_cast<duckdb::idx_t>(failure.row), true);
      at = failure.row + 1;
    }
    return call_stretch(at, first + rows - at);
  }

  Error stopped_by(Error error) const {
    error.message = fmt::format("{} failed, and has on_error = 'fail': {}", description_.name, error.message);
    error.code = Code::function_stopped_run;
    return error;
  }

  Result<> check_types(DataChunk& arguments, Vector& result) const {
    bool fits = arguments.ColumnCount() == types_.arguments.size() && result.GetType() == types_.result;
    for (size_t i = 0; fits && i < arguments.ColumnCount(); ++i)
      fits = arguments.data[i].GetType() == types_.arguments[i];
    if (fits) return {};
    return Error{Code::internal, Blame::engine, Retry::never,
                 fmt::format("{} was called with columns that are not of its types", description_.name)};
  }

  Callee& take() {
    std::unique_lock lock(mutex_);
    // workers = 0: as many as call at once, so at most one a shard.
    if (free_.empty() && (description_.workers == 0 || workers_.size() < static_cast<size_t>(description_.workers)))
      return make_worker();
    freed_.wait(lock, [&] { return !free_.empty(); });
    Callee* worker = free_.back();  // The last one used: its memory is warm.
    free_.pop_back();
    return *worker;
  }

  /// A further worker, taken at once. Its process starts with its first call.
  Callee& make_worker() {
    if (place_.model) return *workers_.emplace_back(std::make_unique<ModelCallee>(place_.model));
    const Worker::Budgets budgets{description_.memory_bytes > 0 ? description_.memory_bytes : default_memory_bytes,
                                  timeout_ms()};
    return *workers_.emplace_back(
        std::make_unique<Worker>(description_, types_.result, budgets, *place_.parent, output_));
  }

  int64_t timeout_ms() const { return description_.timeout_ms > 0 ? description_.timeout_ms : default_timeout_ms; }

  void give_back(Callee& worker) {
    {
      std::lock_guard lock(mutex_);
      free_.push_back(&worker);
    }
    freed_.notify_one();
  }

  FunctionDescription description_;  ///< Changes only while no worker is taken.
  const CallTypes types_;
  Place place_;
  KnownFailures known_failures_;
  std::atomic<int64_t> rows_per_call_ = rows_per_batch;  ///< Of a call by row, at most; learned.
  std::atomic<int64_t> rows_borne_ = rows_per_call_max;  ///< Above this, calls have failed for their number of rows.
  std::vector<std::unique_ptr<Callee>> workers_;         ///< As many as have been needed so far.
  const int output_;
  mutable std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<Callee*> free_;
  std::atomic<int64_t> calls_ = 0, rows_ = 0, errors_ = 0;
};

bool same_columns(const std::vector<Field>& a, const std::vector<Field>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Field& x, const Field& y) { return x.name == y.name && x.type == y.type; });
}

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

/// The planner would make the same plan of it.
bool is_same_to_sql(const FunctionDescription& a, const FunctionDescription& b) {
  auto same_fields = [](const std::vector<Field>& x, const std::vector<Field>& y) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), [](const Field& f, const Field& g) {
      return f.name == g.name && f.type == g.type && f.nullable == g.nullable;
    });
  };
  return a.name == b.name && a.kind == b.kind && same_fields(a.arguments, b.arguments) && a.result == b.result &&
         same_fields(a.state, b.state) && a.key == b.key && a.retracts == b.retracts &&
         a.deterministic == b.deterministic;
}

class ProcessFunctionHost final : public FunctionHost {
 public:
  explicit ProcessFunctionHost(const FunctionHostOptions& options)
      : interpreters_(std::make_unique<Interpreters>(options)) {}

  Result<> start() {
    HEADRACE_ASSIGN(descriptions_, interpreters_->describe());
    project_functions_ = descriptions_.size();
    for (const FunctionDescription& description : descriptions_) {
      HEADRACE_TRY(check_layout(description));
      HEADRACE_ASSIGN(int output, output_.add(description.name));
      outputs_[description.name] = output;
      bases_.push_back(bases_.size());
      hashes_.push_back(description.hash);
      HEADRACE_ASSIGN(Place place, place_for(description));
      hosted_.push_back(std::make_unique<HostedFunction>(description, std::move(place), output));
    }
    HEADRACE_TRY(output_.start());
    return interpreters_->start();
  }

  const std::vector<FunctionDescription>& functions() const override { return descriptions_; }

  Result<size_t> specialize(size_t index, const std::vector<Field>& rows) override {
    const size_t base = bases_[index];
    FunctionDescription special = descriptions_[index];
    for (const Field& column : rows)
      if (!has_arrow_layout(column.type))
        return user_error(Code::unsupported_sql, fmt::format("{} cannot take the column {}: no function takes a {}",
                                                             special.name, column.name, column.type.ToString()))
            .with_remedy("leave it out, or CAST it");
    special.rows = rows;
    for (size_t i = 0; i < descriptions_.size(); ++i)
      if (bases_[i] == base && same_columns(descriptions_[i].rows, rows)) return i;
    HEADRACE_TRY(check_layout(special));
    HEADRACE_ASSIGN(Place place, place_for(special));
    hosted_.push_back(std::make_unique<HostedFunction>(special, std::move(place), outputs_.at(special.name)));
    bases_.push_back(base);
    hashes_.push_back(hashes_[base]);
    descriptions_.push_back(std::move(special));
    return hosted_.size() - 1;
  }

  Result<> call(size_t index, DataChunk& arguments, Vector& result) override {
    CHECK_LT(index, hosted_.size());
    return hosted_[index]->call(arguments, result);
  }

  Result<std::vector<FunctionDescription>> describe_again() const override { return interpreters_->describe(); }

  Result<std::vector<std::string>> take_up(const std::vector<FunctionDescription>& described) override {
    bool same = described.size() == project_functions_;
    for (size_t i = 0; same && i < described.size(); ++i) same = is_same_to_sql(described[i], descriptions_[i]);
    if (!same)
      return user_error(Code::state_mismatch, "the functions are others than before, or of other kinds or types")
          .with_remedy("restart the pipeline");
    std::map<size_t, Place> places;  // All of them first: one that cannot be had leaves everything as it is.
    for (size_t i = 0; i < hosted_.size(); ++i) {
      if (described[bases_[i]].hash == hashes_[i]) continue;
      HEADRACE_ASSIGN(places[i], place_for(described[bases_[i]]));
    }
    HEADRACE_TRY(interpreters_->refresh());
    std::vector<std::string> changed;
    for (auto& [i, place] : places) {
      FunctionDescription now = described[bases_[i]];
      now.rows = descriptions_[i].rows;
      hosted_[i]->take_up(now, std::move(place));
      hashes_[i] = now.hash;
      if (i < project_functions_) changed.push_back(now.name);
    }
    return changed;
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
  /// Errors: function_load (a model that cannot be opened).
  Result<Place> place_for(const FunctionDescription& description) {
    if (description.model == nullptr) return Place{&interpreters_->parent_of(description), nullptr};
    Result<std::shared_ptr<Model>> model = Model::open(*description.model);
    if (!model) return std::move(model).error().with_location({description.file, description.line, 0});
    return Place{nullptr, *std::move(model)};
  }

  size_t project_functions_ = 0;
  std::vector<FunctionDescription> descriptions_;  ///< As the plan was made with: the project's, then special ones.
  std::vector<size_t> bases_;                      ///< Which of the project's functions each one is.
  std::vector<std::string> hashes_;                ///< Of the code that runs now.
  std::map<std::string, int> outputs_;             ///< Where each function's output goes.
  // In this order: workers end before the parents that reap them, and those before the reader of what they print.
  OutputLog output_;
  const std::unique_ptr<Interpreters> interpreters_;
  std::vector<std::unique_ptr<HostedFunction>> hosted_;
};

}  // namespace

Result<std::unique_ptr<FunctionHost>> start_function_host(const FunctionHostOptions& options) {
  auto host = std::make_unique<ProcessFunctionHost>(options);
  HEADRACE_ASSIGN(auto files, glob_files(options.project_directory + "/functions/*.py"));
  if (!files.empty()) HEADRACE_TRY(host->start());
  return std::unique_ptr<FunctionHost>(std::move(host));
}

}  // namespace headrace
