// The part of ONNX Runtime's C API that we call. The API is a table of function pointers that only ever grows at its
// end, so a place in it means the same in every later library. Places and signatures are those of `struct OrtApi` in
// onnxruntime_c_api.h (include/onnxruntime/core/session, API version 16 = onnxruntime 1.16, and read again in 29).
#pragma once

#include <cstddef>
#include <cstdint>

namespace headrace::ort {

inline constexpr uint32_t api_version = 16;  ///< The oldest that is taken; every later library gives it, too.

// All but Status are owned by who made them. A function gives nullptr where it succeeds, or a Status to be released.
struct Status;
struct Env;
struct Session;
struct SessionOptions;
struct RunOptions;
struct MemoryInfo;
struct Allocator;
struct Value;
struct TensorInfo;  ///< OrtTensorTypeAndShapeInfo

enum class Number : int32_t { real32 = 1, int32 = 6, int64 = 7, real64 = 11 };  ///< ONNXTensorElementDataType
inline constexpr int32_t severity_fatal = 4;                                    ///< OrtLoggingLevel
inline constexpr int32_t device_allocator = 0;                                  ///< OrtAllocatorType
inline constexpr int32_t default_memory = 0;                                    ///< OrtMemType

/// What stands at a place of the table, as the function that it is.
struct Entry {
  void* address;
  template <class Signature>
  operator Signature*() const {
    return reinterpret_cast<Signature*>(address);
  }
};

/// The functions by their names there. Safe from any thread, as far as no two change one object.
struct Api {
  void* const* table;
  Entry at(size_t place) const { return {table[place]}; }

  const char* (*const GetErrorMessage)(const Status*) = at(2);
  Status* (*const CreateEnv)(int32_t severity, const char* log_name, Env** out) = at(3);
  Status* (*const CreateSession)(const Env*, const char* path, const SessionOptions*, Session** out) = at(7);
  Status* (*const Run)(Session*, const RunOptions*, const char* const* input_names, const Value* const* inputs,
                       size_t input_count, const char* const* output_names, size_t output_count,
                       Value** outputs) = at(9);
  Status* (*const CreateSessionOptions)(SessionOptions** out) = at(10);
  Status* (*const DisableMemPattern)(SessionOptions*) = at(17);
  Status* (*const DisableCpuMemArena)(SessionOptions*) = at(19);
  Status* (*const SetIntraOpNumThreads)(SessionOptions*, int threads) = at(24);
  Status* (*const SetInterOpNumThreads)(SessionOptions*, int threads) = at(25);
  Status* (*const CreateTensorWithDataAsOrtValue)(const MemoryInfo*, void* data, size_t bytes, const int64_t* shape,
                                                  size_t rank, Number, Value** out) = at(49);
  Status* (*const GetTensorMutableData)(Value*, void** out) = at(51);
  Status* (*const GetTensorElementType)(const TensorInfo*, Number* out) = at(60);
  Status* (*const GetDimensionsCount)(const TensorInfo*, size_t* out) = at(61);
  Status* (*const GetDimensions)(const TensorInfo*, int64_t* out, size_t rank) = at(62);
  Status* (*const GetTensorTypeAndShape)(const Value*, TensorInfo** out) = at(65);
  Status* (*const CreateCpuMemoryInfo)(int32_t allocator_type, int32_t memory_type, MemoryInfo** out) = at(69);
  Status* (*const GetAllocatorWithDefaultOptions)(Allocator** out) = at(78);  ///< Not to be released.
  Status* (*const GetValue)(const Value*, int place, Allocator*, Value** out) = at(80);
  Status* (*const GetValueCount)(const Value*, size_t* out) = at(81);
  void (*const ReleaseStatus)(Status*) = at(93);
  void (*const ReleaseMemoryInfo)(MemoryInfo*) = at(94);
  void (*const ReleaseSession)(Session*) = at(95);
  void (*const ReleaseValue)(Value*) = at(96);
  void (*const ReleaseTensorTypeAndShapeInfo)(TensorInfo*) = at(99);
  void (*const ReleaseSessionOptions)(SessionOptions*) = at(100);
};

/// What the library's one exported symbol, OrtGetApiBase, gives.
struct ApiBase {
  void* const* (*GetApi)(uint32_t version);  ///< nullptr = the library is older than `version`.
  const char* (*GetVersionString)();
};

}  // namespace headrace::ort
