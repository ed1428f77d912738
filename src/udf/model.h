// A model that the engine runs itself, with the shadow beside it.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "udf/callee.h"
#include "udf/drift.h"
#include "udf/onnx.h"

namespace headrace {

/// Safe from several threads.
class Model {
 public:
  /// Errors: function_load, naming the file.
  static Result<std::shared_ptr<Model>> open(const ModelSpec& spec);

  /// Memory of one caller.
  struct Scratch {
    OnnxSession::Scratch inputs;
    std::vector<double> beside;
  };
  /// Writes the live model's scores of rows [first, first + rows) to the same rows of `result`, a flat vector of
  /// DOUBLE. Errors: as OnnxSession::score.
  Result<> score(DataChunk& arguments, int64_t first, int64_t rows, Scratch& scratch, Vector& result);

  /// As Callee::report.
  std::string report() const;

 private:
  std::unique_ptr<OnnxSession> live_, shadow_;
  mutable std::mutex mutex_;  ///< Of the drift.
  Drift drift_;
};

/// Calls a model on the thread of who asks.
class ModelCallee final : public Callee {
 public:
  explicit ModelCallee(std::shared_ptr<Model> model) : model_(std::move(model)) {}

  Result<> call(DataChunk& arguments, int64_t first, int64_t rows, Vector& result) override;
  Result<std::optional<RowFailure>> first_failure(DataChunk& arguments, int64_t first, int64_t rows) override;
  Counts counts() const override { return {.starts = 1, .busy_us = busy_ns_.load() / 1'000}; }
  std::string report() const override { return model_->report(); }

 private:
  const std::shared_ptr<Model> model_;
  Model::Scratch scratch_;
  std::atomic<int64_t> busy_ns_ = 0;
};

}  // namespace headrace
