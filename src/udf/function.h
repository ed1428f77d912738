// User functions as the engine sees them: a description found in functions/*.py, and a host that runs batches through
// them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "data/batch.h"

namespace headrace {

struct ModelSpec;

enum class FunctionKind : uint8_t { scalar, vectorized, aggregate, accumulator, table, process, source, sink };
enum class OnError : uint8_t { quarantine, null, fail };

/// What `python -m headrace.worker describe` tells of one function.
struct FunctionDescription {
  std::string name;  ///< As called in SQL.
  FunctionKind kind = FunctionKind::scalar;
  std::vector<Field>
      arguments;             ///< nullable = the hint says `| None`; otherwise NULL in gives NULL out without a call.
  LogicalType result;        ///< Of a table or process function: a STRUCT, its columns.
  std::vector<Field> state;  ///< What is kept between calls: of an accumulator or process function.
  std::vector<std::string> key;  ///< Of a process function.
  std::vector<Field> rows;       ///< The columns of a process function's table; known where it is called.
  bool retracts = false;         ///< An accumulator that can take a value back.
  bool deterministic = true;
  OnError on_error = OnError::quarantine;
  int64_t memory_bytes = 0;  ///< 0 = the default budget.
  int64_t timeout_ms = 0;    ///< 0 = the default budget.
  int32_t workers = 1;
  bool network = false;             ///< May open sockets.
  std::vector<std::string> writes;  ///< Paths below which it may write.
  std::string hash;  ///< SHA-256 of the function's body and what it refers to; part of the plan and of checkpoints.
  std::string environment;  ///< Its own virtual environment: the lock file and its digest; "" = the engine's.
  std::string python;       ///< The interpreter of that environment; "" = the engine's.
  std::shared_ptr<const ModelSpec> model;  ///< Of a model that the engine runs itself; else nullptr.
  std::string file;                        ///< functions/risk.py
  int32_t line = 0;
};

/// The columns of a call. Every kind is called with so many rows and gives as many; what is not one to one lies in
/// lists:
///   scalar, vectorized   arguments -> result
///   aggregate            a row is a group: LIST(argument)... -> result
///   accumulator          a row is a group: LIST(state), LIST(argument)..., LIST(taken back) -> STRUCT(state, value)
///   table                arguments -> LIST(result)
///   source, sink         arguments -> result: one row is one step
///   process              a row is a key: key columns..., state, timers, LIST(row), LIST(watermark before each row),
///                        watermark behind them -> STRUCT(state, timers, output LIST(result)); times are BIGINT, in us
struct CallTypes {
  std::vector<LogicalType> arguments;
  LogicalType result;
};
CallTypes call_types(const FunctionDescription& function);
/// LIST(STRUCT(at BIGINT, name VARCHAR)), the earliest first: the timers of one key of a process function.
LogicalType timers_type();

struct FunctionHostOptions {
  std::string python = "python3";  ///< The interpreter that has the headrace package.
  std::string project_directory;
  std::vector<std::string> python_path;
};

/// Runs functions in supervised worker processes over shared memory, and ONNX models in this one. Safe from several
/// shard threads: each call takes a worker's slot.
class FunctionHost {
 public:
  virtual ~FunctionHost() = default;

  /// All functions of the project's functions/*.py. Errors: function_load with file and line.
  virtual const std::vector<FunctionDescription>& functions() const = 0;

  /// A process function over a table of these columns; gives its index. One thread at a time, while nothing runs.
  /// Errors: unsupported_sql (a column's type).
  virtual Result<size_t> specialize(size_t index, const std::vector<Field>& rows) = 0;

  /// Calls function `index` (of functions()) on all rows of `arguments`; writes rows() values into `result` (a flat
  /// vector); both are of its call_types(). An Error is about the whole call: function_raised (the caller bisects to
  /// the rows), function_died, function_timeout, function_result. The worker is back before the error is returned, or
  /// comes back with the next call.
  virtual Result<> call(size_t index, DataChunk& arguments, Vector& result) = 0;

  /// Asks the interpreter anew. Errors: function_load.
  virtual Result<std::vector<FunctionDescription>> describe_again() const = 0;
  /// Replaces the code of functions whose hash differs in `described`; their workers are new with the next call. Gives
  /// their names. Errors: state_mismatch, and nothing is taken up, when other functions, kinds or types are described.
  /// No call may run meanwhile.
  virtual Result<std::vector<std::string>> take_up(const std::vector<FunctionDescription>& described) = 0;

  /// {"functions": [{"name", "calls", "rows", "errors", "restarts", "worker_bytes"...}]} for the console and metrics.
  virtual std::string status_json() const = 0;
};

/// One function of a host, as a node of a plan refers to it. The host outlives it.
struct UserFunction {
  FunctionHost* host = nullptr;
  size_t index = 0;

  const FunctionDescription& description() const { return host->functions()[index]; }
  Result<> call(DataChunk& arguments, Vector& result) const { return host->call(index, arguments, result); }
};

/// Describes functions/*.py of the project by starting the interpreter once; workers start with their first call.
/// A project without functions/ gives a host without functions and starts nothing.
Result<std::unique_ptr<FunctionHost>> start_function_host(const FunctionHostOptions& options);

}  // namespace headrace
