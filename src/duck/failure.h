// Exceptions into Errors: the only way they leave the DuckDB border.
#pragma once

#include <exception>

#include "base/result.h"

namespace headrace {

/// The Error that a caught exception means. Binder and parser errors keep their position (location.column = byte from
/// 1).
Error error_of(const std::exception& exception, Code fallback);

/// Throws `error` through DuckDB's frames; error_of gives it back unchanged.
[[noreturn]] void throw_error(Error error);

/// Runs `body` and turns what it throws into an Error.
template <class Body>
auto guarded(Code fallback, Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::exception& exception) {
    return error_of(exception, fallback);
  }
}

}  // namespace headrace
