// Calls of users' functions, taken out of the expressions they stand in, so that they can be made for more rows at once
// than an expression is evaluated for.
#pragma once

#include <vector>

#include "duck/expression.h"
#include "duck/user_functions.h"

namespace headrace {

struct UserCall {
  std::vector<Expr> arguments;
  LogicalType result;
  ScalarFunctionBody body;
};

/// Expressions, and the calls that they make. Over an input of n columns the result of calls[i] is column n + i, for
/// the calls behind it and for `rest`.
struct SplitExpressions {
  std::vector<UserCall> calls;
  std::vector<Expr> rest;
};

/// Splits expressions over an input of `columns` columns. A call that not every row makes (in CASE, COALESCE, AND, OR),
/// or whose failure is caught (TRY), stays where it is.
SplitExpressions split_user_calls(const std::vector<Expr>& expressions, size_t columns);

}  // namespace headrace
