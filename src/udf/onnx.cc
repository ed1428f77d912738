#include "udf/onnx.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <mutex>
#include <span>
#include <type_traits>

#include "base/file.h"
#include "base/json_text.h"

namespace headrace {
namespace {

template <class T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

/// A library of onnxruntime that has been loaded; it stays for the life of the process. Safe from several threads.
class OnnxRuntime {
 public:
  /// The library at `path`, loaded with the first call. Errors: function_load.
  static Result<const OnnxRuntime*> at(const std::string& path);

  /// What a call has come to. Errors: function_raised.
  Result<> checked(ort::Status* status) const {
    if (status == nullptr) return {};
    Error error = user_error(Code::function_raised, "onnxruntime: " + valid_utf8(api.GetErrorMessage(status)));
    api.ReleaseStatus(status);
    return error;
  }

  /// What `make(&object)` makes. Errors: function_raised.
  template <class T, class Make>
  Result<Owned<T>> made(void (*release)(T*), const Make& make) const {
    T* object = nullptr;
    HEADRACE_TRY(checked(make(&object)));
    return Owned<T>(object, release);
  }

  const ort::Api api;
  ort::Env* env = nullptr;
  ort::MemoryInfo* memory = nullptr;
  ort::Allocator* allocator = nullptr;

 private:
  explicit OnnxRuntime(void* const* table) : api{table} {}
  static Result<std::unique_ptr<OnnxRuntime>> load(const std::string& path);
  Result<> start();
};

/// Rows are filled up to a multiple of this with the last one. A matrix product takes a lone row, or the odd one of a
/// few, by another way, whose sums differ in the last bit: a score would depend on how rows were cut into calls. As in
/// python/headrace/scoring.py.
constexpr int64_t rows_step = 16;
constexpr int64_t rows_tried = 3;
constexpr size_t rank_max = 2;

Error load_error(std::string message) {
  return user_error(Code::function_load, std::move(message))
      .with_remedy("isolation='process' leaves a model to the onnxruntime of a worker");
}

/// Calls `body` with a value of the type that `number` stands for. False = it stands for none of ours.
template <class Body>
bool with_number(ort::Number number, const Body& body) {
  switch (number) {
    case ort::Number::real32:
      return body(float{}), true;
    case ort::Number::int32:
      return body(int32_t{}), true;
    case ort::Number::int64:
      return body(int64_t{}), true;
    case ort::Number::real64:
      return body(double{}), true;
  }
  return false;
}

/// As numpy and the processor have it: what a whole number cannot hold is the smallest.
template <class T>
T narrowed(double value) {
  if constexpr (std::is_integral_v<T>) {
    constexpr double limit = -static_cast<double>(std::numeric_limits<T>::min());
    return value >= -limit && value < limit ? static_cast<T>(value) : std::numeric_limits<T>::min();
  } else {
    return static_cast<T>(value);
  }
}

/// Writes rows [first, first + rows) of a column to out[0], out[stride], ...
template <class T>
void write_column(const duckdb::UnifiedVectorFormat& column, int64_t first, int64_t rows, int64_t stride, T* out) {
  const auto* values = duckdb::UnifiedVectorFormat::GetData<double>(column);
  const bool all_valid = column.validity.AllValid();
  for (int64_t row = 0; row < rows; ++row) {
    const auto at = column.sel->get_index(static_cast<duckdb::idx_t>(first + row));
    const bool valid = all_valid || column.validity.RowIsValid(at);
    out[row * stride] = narrowed<T>(valid ? values[at] : std::numeric_limits<double>::quiet_NaN());
  }
}

/// Writes a tensor [filled, columns.size()] into `bytes`, row by row.
template <class T>
void write_rows(std::span<const duckdb::UnifiedVectorFormat> columns, int64_t first, int64_t rows, int64_t filled,
                std::vector<std::byte>& bytes) {
  const auto width = static_cast<int64_t>(columns.size());
  bytes.resize(static_cast<size_t>(filled * width) * sizeof(T));
  T* out = reinterpret_cast<T*>(bytes.data());
  for (int64_t column = 0; column < width; ++column)
    write_column(columns[static_cast<size_t>(column)], first, rows, width, out + column);
  for (int64_t row = rows; row < filled; ++row) std::copy_n(out + (rows - 1) * width, width, out + row * width);
}

std::string sha256(std::string_view bytes) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), hash, &size, EVP_sha256(), nullptr);
  std::string out;
  for (unsigned int i = 0; i < size; ++i) out += fmt::format("{:02x}", hash[i]);
  return out;
}

Result<const OnnxRuntime*> OnnxRuntime::at(const std::string& path) {
  static std::mutex mutex;
  static auto& loaded = *new std::map<std::string, std::unique_ptr<OnnxRuntime>>;  // Outlives whoever is still at it.
  std::lock_guard lock(mutex);
  std::unique_ptr<OnnxRuntime>& found = loaded[path];
  if (found == nullptr) {
    HEADRACE_ASSIGN(found, load(path));
  }
  return found.get();
}

Result<std::unique_ptr<OnnxRuntime>> OnnxRuntime::load(const std::string& path) {
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return load_error(fmt::format("onnxruntime cannot be loaded: {}", ::dlerror()));
  const ort::Entry get_base{::dlsym(library, "OrtGetApiBase")};
  if (get_base.address == nullptr)
    return load_error(fmt::format("{} is not onnxruntime: it has no OrtGetApiBase", path));
  const ort::ApiBase* (*get)() = get_base;
  void* const* table = get()->GetApi(ort::api_version);
  if (table == nullptr)
    return load_error(fmt::format("onnxruntime {} is too old for the engine, which needs 1.{} or newer",
                                  get()->GetVersionString(), ort::api_version));
  std::unique_ptr<OnnxRuntime> runtime(new OnnxRuntime(table));
  if (Result<> started = runtime->start(); !started) return load_error(std::move(started).error().message);
  return runtime;
}

Result<> OnnxRuntime::start() {
  HEADRACE_TRY(checked(api.CreateEnv(ort::severity_fatal, "headrace", &env)));  // Its errors come back as a Status.
  HEADRACE_TRY(checked(api.CreateCpuMemoryInfo(ort::device_allocator, ort::default_memory, &memory)));
  return checked(api.GetAllocatorWithDefaultOptions(&allocator));
}

/// What a tensor holds.
struct Tensor {
  ort::Number number{};
  size_t rank = 0;
  std::array<int64_t, rank_max> shape{};
  const void* data = nullptr;
};

class Session final : public OnnxSession {
 public:
  Session(const OnnxRuntime& runtime, const OnnxFile& file) : runtime_(runtime), api_(runtime.api), file_(file) {}

  Result<> open();
  /// Fails unless the file is the one that was tried, and scores here as it did there.
  Result<> check() const;
  Result<> score(const Columns& columns, int64_t first, int64_t rows, Scratch& scratch, double* out) const override {
    Result<> done = rows > 0 ? run_rows(columns, first, rows, scratch, out) : Result<>();
    if (!done) done.error().message = fmt::format("{}: {}", file_.path, done.error().message);
    return done;
  }

 private:
  using Values = std::vector<Owned<ort::Value>>;

  Result<> run_rows(const Columns& columns, int64_t first, int64_t rows, Scratch& scratch, double* out) const;
  Result<Values> make_inputs(const Columns& columns, int64_t first, int64_t rows, int64_t filled,
                             Scratch& scratch) const;
  Result<Owned<ort::Value>> run(const Values& inputs) const;
  Result<Tensor> read(ort::Value& value) const;
  Result<> take_tensor(ort::Value& value, int64_t rows, int64_t filled, double* out) const;
  Result<> take_maps(const ort::Value& maps, int64_t rows, int64_t filled, double* out) const;
  Result<Owned<ort::Value>> part(const ort::Value& whole, int64_t place) const;
  static Error wrong(std::string what) { return user_error(Code::function_result, std::move(what)); }

  const OnnxRuntime& runtime_;
  const ort::Api& api_;
  const OnnxFile file_;
  Owned<ort::Session> session_{nullptr, api_.ReleaseSession};
};

Result<> Session::open() {
  HEADRACE_ASSIGN(auto options, runtime_.made(api_.ReleaseSessionOptions, api_.CreateSessionOptions));
  HEADRACE_TRY(runtime_.checked(api_.SetIntraOpNumThreads(options.get(), 1)));  // Shards call side by side.
  HEADRACE_TRY(runtime_.checked(api_.SetInterOpNumThreads(options.get(), 1)));
  // An arena would keep the largest batch's memory, per session and for ever.
  HEADRACE_TRY(runtime_.checked(api_.DisableCpuMemArena(options.get())));
  HEADRACE_TRY(runtime_.checked(api_.DisableMemPattern(options.get())));
  HEADRACE_ASSIGN(session_, runtime_.made(api_.ReleaseSession, [&](ort::Session** out) {
    return api_.CreateSession(runtime_.env, file_.path.c_str(), options.get(), out);
  }));
  return {};
}

Result<> Session::check() const {
  HEADRACE_ASSIGN(const std::string bytes, read_file(file_.path));
  if (sha256(bytes) != file_.sha256) return load_error("it has changed since it was tried a moment ago");
  Vector zeros(duckdb::Value::DOUBLE(0));
  size_t count = 0;
  for (const OnnxInput& input : file_.inputs) count += static_cast<size_t>(input.columns);
  Columns columns(count);
  for (auto& column : columns) zeros.ToUnifiedFormat(rows_tried, column);
  Scratch scratch;
  std::array<double, rows_tried> scores{};
  HEADRACE_TRY(run_rows(columns, 0, rows_tried, scratch, scores.data()));
  if (!file_.zero_score || *file_.zero_score == scores[0]) return {};
  return load_error(fmt::format("it scores zeros {} in the engine, and {} in Python", scores[0], *file_.zero_score));
}

Result<> Session::run_rows(const Columns& columns, int64_t first, int64_t rows, Scratch& scratch, double* out) const {
  const int64_t filled = (rows + rows_step - 1) / rows_step * rows_step;
  HEADRACE_ASSIGN(const Values inputs, make_inputs(columns, first, rows, filled, scratch));
  HEADRACE_ASSIGN(const auto output, run(inputs));
  return file_.maps ? take_maps(*output, rows, filled, out) : take_tensor(*output, rows, filled, out);
}

Result<Session::Values> Session::make_inputs(const Columns& columns, int64_t first, int64_t rows, int64_t filled,
                                             Scratch& scratch) const {
  scratch.resize(file_.inputs.size());
  Values out;
  std::span<const duckdb::UnifiedVectorFormat> left(columns);
  for (size_t i = 0; i < file_.inputs.size(); ++i) {
    const OnnxInput& input = file_.inputs[i];
    const auto width = static_cast<size_t>(input.columns);
    with_number(input.number, [&](auto zero) {
      write_rows<decltype(zero)>(left.subspan(0, width), first, rows, filled, scratch[i]);
    });
    left = left.subspan(width);
    const std::array<int64_t, rank_max> shape{filled, input.columns};
    HEADRACE_ASSIGN(auto tensor, runtime_.made(api_.ReleaseValue, [&](ort::Value** value) {
      return api_.CreateTensorWithDataAsOrtValue(runtime_.memory, scratch[i].data(), scratch[i].size(), shape.data(),
                                                 static_cast<size_t>(input.rank), input.number, value);
    }));
    out.push_back(std::move(tensor));
  }
  return out;
}

Result<Owned<ort::Value>> Session::run(const Values& inputs) const {
  std::vector<const char*> names;
  std::vector<const ort::Value*> values;
  for (size_t i = 0; i < inputs.size(); ++i) {
    names.push_back(file_.inputs[i].name.c_str());
    values.push_back(inputs[i].get());
  }
  const char* output = file_.output.c_str();
  return runtime_.made(api_.ReleaseValue, [&](ort::Value** out) {
    return api_.Run(session_.get(), nullptr, names.data(), values.data(), values.size(), &output, 1, out);
  });
}

Result<Tensor> Session::read(ort::Value& value) const {
  HEADRACE_ASSIGN(const auto info, runtime_.made(api_.ReleaseTensorTypeAndShapeInfo, [&](ort::TensorInfo** out) {
    return api_.GetTensorTypeAndShape(&value, out);
  }));
  Tensor out;
  HEADRACE_TRY(runtime_.checked(api_.GetTensorElementType(info.get(), &out.number)));
  HEADRACE_TRY(runtime_.checked(api_.GetDimensionsCount(info.get(), &out.rank)));
  if (out.rank == 0 || out.rank > rank_max) return wrong(fmt::format("its output has {} dimensions", out.rank));
  HEADRACE_TRY(runtime_.checked(api_.GetDimensions(info.get(), out.shape.data(), out.rank)));
  void* data = nullptr;
  HEADRACE_TRY(runtime_.checked(api_.GetTensorMutableData(&value, &data)));
  out.data = data;
  return out;
}

Result<> Session::take_tensor(ort::Value& value, int64_t rows, int64_t filled, double* out) const {
  HEADRACE_ASSIGN(const Tensor tensor, read(value));
  const int64_t width = tensor.rank == 2 ? tensor.shape[1] : 1;
  if (tensor.shape[0] != filled || width < 1)
    return wrong(fmt::format("its output has {} rows of {} numbers for {} rows", tensor.shape[0], width, filled));
  const int64_t place = width == 2 ? 1 : 0;  // Of two probabilities the second.
  const bool known = with_number(tensor.number, [&](auto zero) {
    const auto* scores = static_cast<const decltype(zero)*>(tensor.data) + place;
    for (int64_t row = 0; row < rows; ++row) out[row] = static_cast<double>(scores[row * width]);
  });
  return known ? Result<>() : wrong(fmt::format("its output is of the type {}", static_cast<int>(tensor.number)));
}

/// As a classifier gives them that was exported with ZipMap: slow, an object a row.
Result<> Session::take_maps(const ort::Value& maps, int64_t rows, int64_t filled, double* out) const {
  size_t count = 0;
  HEADRACE_TRY(runtime_.checked(api_.GetValueCount(&maps, &count)));
  if (static_cast<int64_t>(count) != filled)
    return wrong(fmt::format("its output has {} maps for {} rows", count, filled));
  for (int64_t row = 0; row < rows; ++row) {
    HEADRACE_ASSIGN(const auto map, part(maps, row));
    HEADRACE_ASSIGN(const auto values, part(*map, 1));
    HEADRACE_ASSIGN(const Tensor tensor, read(*values));
    if (tensor.number != ort::Number::real32 || tensor.shape[0] < 1) return wrong("its output has no probabilities");
    out[row] = static_cast<const float*>(tensor.data)[tensor.shape[0] == 2 ? 1 : 0];
  }
  return {};
}

/// An element of a sequence; of a map 0 = its keys, 1 = its values.
Result<Owned<ort::Value>> Session::part(const ort::Value& whole, int64_t place) const {
  return runtime_.made(api_.ReleaseValue, [&](ort::Value** out) {
    return api_.GetValue(&whole, static_cast<int>(place), runtime_.allocator, out);
  });
}

}  // namespace

Result<std::unique_ptr<OnnxSession>> open_onnx(const std::string& library, const OnnxFile& file) {
  HEADRACE_ASSIGN(const OnnxRuntime* runtime, OnnxRuntime::at(library));
  auto session = std::make_unique<Session>(*runtime, file);
  Result<> done = session->open();
  if (done) done = session->check();
  if (!done) return load_error(fmt::format("{}: {}", file.path, done.error().message));
  return std::unique_ptr<OnnxSession>(std::move(session));
}

}  // namespace headrace
