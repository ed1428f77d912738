// Result<T>: a value or an Error. Nothing in the engine throws; the DuckDB and Python borders turn exceptions into
// these.
#pragma once

#include <optional>
#include <utility>
#include <variant>

#include "base/error.h"

namespace headrace {

template <class T = void>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : content_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return content_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return std::get<0>(content_); }
  const T& value() const& { return std::get<0>(content_); }
  T&& value() && { return std::get<0>(std::move(content_)); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  Error& error() & { return std::get<1>(content_); }
  const Error& error() const& { return std::get<1>(content_); }
  Error&& error() && { return std::get<1>(std::move(content_)); }

 private:
  std::variant<T, Error> content_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  Error& error() & { return *error_; }
  const Error& error() const& { return *error_; }
  Error&& error() && { return *std::move(error_); }

 private:
  std::optional<Error> error_;
};

}  // namespace headrace

#define HEADRACE_CONCAT_INNER(a, b) a##b
#define HEADRACE_CONCAT(a, b) HEADRACE_CONCAT_INNER(a, b)

/// Runs an expression that gives a Result<> and hands an error on to the caller.
#define HEADRACE_TRY(...)                                                                                       \
  do {                                                                                                          \
    if (auto headrace_result = (__VA_ARGS__); !headrace_result.ok()) return std::move(headrace_result).error(); \
  } while (false)

/// HEADRACE_ASSIGN(auto file, File::open(path)): the value, or the error to the caller.
#define HEADRACE_ASSIGN(declaration, ...)                                  \
  auto HEADRACE_CONCAT(headrace_result_, __LINE__) = (__VA_ARGS__);        \
  if (!HEADRACE_CONCAT(headrace_result_, __LINE__).ok())                   \
    return std::move(HEADRACE_CONCAT(headrace_result_, __LINE__)).error(); \
  declaration = std::move(HEADRACE_CONCAT(headrace_result_, __LINE__)).value()
