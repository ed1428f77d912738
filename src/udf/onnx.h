// An ONNX file in the engine: columns of numbers in, a score a row out, through the onnxruntime of the user's
// environment.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "duck/chunk.h"
#include "udf/onnx_abi.h"

namespace headrace {

/// One input of a file: `columns` arguments as a tensor [rows, columns], or [rows] where its rank is 1.
struct OnnxInput {
  std::string name;
  ort::Number number = ort::Number::real32;  ///< real32, real64 or int64.
  int32_t columns = 1;
  int32_t rank = 2;
};

/// What a process of its own has found out about a file before the engine opens it (python/headrace/model_trial.py).
struct OnnxFile {
  std::string path;
  std::vector<OnnxInput> inputs;
  std::string output;                ///< One number a row, or two columns of which the second counts, else the first.
  bool maps = false;                 ///< The output is a sequence of maps by class, not a tensor.
  std::optional<double> zero_score;  ///< What a row of zeros scores, where that is finite.
  std::string sha256;
};

/// What `describe` tells of a model that the engine runs.
struct ModelSpec {
  std::string library;          ///< The shared library of onnxruntime.
  std::string version;          ///< Of onnxruntime.
  std::vector<OnnxFile> files;  ///< The live model's, then the shadow's if there is one.
};

/// A file that is open. Safe from several threads.
class OnnxSession {
 public:
  virtual ~OnnxSession() = default;

  /// DOUBLE arguments.
  using Columns = std::vector<duckdb::UnifiedVectorFormat>;
  /// Memory of one caller, kept from call to call.
  using Scratch = std::vector<std::vector<std::byte>>;

  /// Writes the scores of rows [first, first + rows) to out[0, rows). NULL is NaN to the model. No score depends on how
  /// rows are cut into calls. Errors: function_raised (with what onnxruntime says), function_result.
  virtual Result<> score(const Columns& columns, int64_t first, int64_t rows, Scratch& scratch, double* out) const = 0;
};

/// Opens a file with the `library` of onnxruntime, which is loaded with the first file and stays for the life of the
/// process. Errors: function_load, also where the file is not the one that was tried or scores otherwise.
Result<std::unique_ptr<OnnxSession>> open_onnx(const std::string& library, const OnnxFile& file);

}  // namespace headrace
