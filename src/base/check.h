// CHECK: what only a bug can break. Prints the condition and both values, then stops the process.
// If a user can cause it, it is an Error, not a CHECK.
#pragma once

#include <string>

namespace headrace {

[[noreturn]] void check_failed(const char* file, int line, const std::string& what);

}  // namespace headrace

#define CHECK(condition)                                        \
  do {                                                          \
    if (!(condition)) [[unlikely]]                              \
      ::headrace::check_failed(__FILE__, __LINE__, #condition); \
  } while (false)

#define HEADRACE_CHECK_OP(a, b, op)                                                                                 \
  do {                                                                                                              \
    const auto& headrace_a = (a);                                                                                   \
    const auto& headrace_b = (b);                                                                                   \
    if (!(headrace_a op headrace_b)) [[unlikely]]                                                                   \
      ::headrace::check_failed(                                                                                     \
          __FILE__, __LINE__,                                                                                       \
          std::string(#a " " #op " " #b ": ") + std::to_string(headrace_a) + " and " + std::to_string(headrace_b)); \
  } while (false)

#define CHECK_EQ(a, b) HEADRACE_CHECK_OP(a, b, ==)
#define CHECK_LE(a, b) HEADRACE_CHECK_OP(a, b, <=)
#define CHECK_LT(a, b) HEADRACE_CHECK_OP(a, b, <)
#define CHECK_GE(a, b) HEADRACE_CHECK_OP(a, b, >=)
