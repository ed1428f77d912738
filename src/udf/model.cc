#include "udf/model.h"

#include <fmt/format.h>

#include "base/clock.h"

namespace headrace {

Result<std::shared_ptr<Model>> Model::open(const ModelSpec& spec) {
  auto model = std::make_shared<Model>();
  HEADRACE_ASSIGN(model->live_, open_onnx(spec.library, spec.files[0]));
  if (spec.files.size() > 1) {
    HEADRACE_ASSIGN(model->shadow_, open_onnx(spec.library, spec.files[1]));
  }
  return model;
}

Result<> Model::score(DataChunk& arguments, int64_t first, int64_t rows, Scratch& scratch, Vector& result) {
  OnnxSession::Columns columns(arguments.ColumnCount());
  for (size_t i = 0; i < columns.size(); ++i) arguments.data[i].ToUnifiedFormat(arguments.size(), columns[i]);
  double* scores = duckdb::FlatVector::GetData<double>(result) + first;
  HEADRACE_TRY(live_->score(columns, first, rows, scratch.inputs, scores));
  if (shadow_ == nullptr) return {};
  scratch.beside.resize(static_cast<size_t>(rows));
  HEADRACE_TRY(shadow_->score(columns, first, rows, scratch.inputs, scratch.beside.data()));
  std::lock_guard lock(mutex_);
  drift_.note(scores, scratch.beside.data(), rows);
  return {};
}

std::string Model::report() const {
  if (shadow_ == nullptr) return "";
  std::lock_guard lock(mutex_);
  return fmt::format(R"("growing":[],"gauges":{{"psi":{},"mean_difference":{}}})", drift_.psi(),
                     drift_.mean_difference());
}

Result<> ModelCallee::call(DataChunk& arguments, int64_t first, int64_t rows, Vector& result) {
  const int64_t started_ns = system_clock().steady_ns();
  Result<> outcome = model_->score(arguments, first, rows, scratch_, result);
  busy_ns_ += system_clock().steady_ns() - started_ns;
  duckdb::ValidityMask& valid = duckdb::FlatVector::Validity(result);
  if (!valid.AllValid())  // An earlier attempt has left NULLs.
    for (int64_t row = first; row < first + rows; ++row) valid.SetValid(static_cast<duckdb::idx_t>(row));
  return outcome;
}

Result<std::optional<Callee::RowFailure>> ModelCallee::first_failure(DataChunk& arguments, int64_t first,
                                                                     int64_t rows) {
  Vector thrown_away(LogicalType::DOUBLE, static_cast<duckdb::idx_t>(first + rows));
  for (int64_t row = first; row < first + rows; ++row)
    if (Result<> outcome = call(arguments, row, 1, thrown_away); !outcome)
      return std::optional(RowFailure{row, std::move(outcome).error()});
  return std::optional<RowFailure>();
}

}  // namespace headrace
