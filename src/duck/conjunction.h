// Taking conditions apart: the conjuncts of a predicate, the two sides of a comparison, the arguments of a call.
#pragma once

#include <optional>
#include <vector>

#include "duck/bound_relation.h"

namespace headrace {

/// The conditions that AND joins (BETWEEN is two of them), or the expression itself.
std::vector<Expr> conjuncts(const Expr& predicate);
/// AND over all; empty() for none.
Expr conjunction(const std::vector<Expr>& predicates);
/// left `comparison` right, when the expression is a comparison.
std::optional<BoundRelation::Condition> as_comparison(const Expr& expression);
/// The value of a whole number that is written out.
std::optional<int64_t> constant_integer(const Expr& expression);
/// The arguments, when the expression is a call of `function`.
std::optional<std::vector<Expr>> as_call(const Expr& expression, const std::string& function);
/// True for = and IS NOT DISTINCT FROM.
bool is_equality(const BoundRelation::Condition& condition);
/// The comparison with its sides changed over: b > a for a < b.
Comparison flipped(Comparison comparison);
/// The comparison as one expression over one row of columns.
Expr comparison(const BoundRelation::Condition& condition);

/// a OR b.
Expr either(const Expr& a, const Expr& b);
Expr is_null(const Expr& expression);
Expr is_not_null(const Expr& expression);
/// x, when the expression is NOT x.
std::optional<Expr> negated(const Expr& expression);

}  // namespace headrace
