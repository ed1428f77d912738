#include "plan/aggregates.h"

#include <set>

#include "duck/rows.h"

namespace headrace {
namespace {

bool is_integer(const LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::TINYINT:
    case LogicalTypeId::SMALLINT:
    case LogicalTypeId::INTEGER:
    case LogicalTypeId::BIGINT:
      return true;
    default:
      return false;
  }
}

bool is_decimal(const LogicalType& type) {
  return type.id() == LogicalTypeId::DECIMAL;
}

/// Functions whose result does not depend on the order of a group's values: a bag of values is enough for them.
const std::set<std::string>& order_free() {
  static const std::set<std::string> names = {"sum",           "avg",
                                              "min",           "max",
                                              "count",         "median",
                                              "quantile",      "quantile_cont",
                                              "quantile_disc", "mode",
                                              "mad",           "stddev",
                                              "stddev_samp",   "stddev_pop",
                                              "variance",      "var_samp",
                                              "var_pop",       "skewness",
                                              "kurtosis",      "kurtosis_pop",
                                              "bit_and",       "bit_or",
                                              "bit_xor",       "bool_and",
                                              "bool_or",       "product",
                                              "entropy",       "approx_count_distinct",
                                              "histogram",     "corr",
                                              "covar_pop",     "covar_samp",
                                              "regr_slope",    "regr_intercept",
                                              "regr_r2",       "regr_count",
                                              "regr_avgx",     "regr_avgy",
                                              "regr_sxx",      "regr_syy",
                                              "regr_sxy",      "arg_min",
                                              "arg_max",       "min_by",
                                              "max_by",        "string_agg",
                                              "list",          "array_agg",
                                              "listagg",       "group_concat",
                                              "sem",           "fsum",
                                              "kahan_sum",     "favg",
                                              "count_if",      "any_value"};
  return names;
}

}  // namespace

Result<AggregateKind> aggregate_kind(const AggregateCall& call, Changelog input) {
  const std::string& name = call.function;
  const bool appends = input == Changelog::append;
  if (name == "count_star") return AggregateKind::count_star;
  if (name == "count" && call.distinct) return AggregateKind::count_distinct;
  if (name == "count") return AggregateKind::count;
  if (!call.distinct && call.arguments.size() == 1) {
    const LogicalType& type = call.arguments[0].type();
    if (name == "sum" && (is_integer(type) || type.id() == LogicalTypeId::HUGEINT)) return AggregateKind::sum_integer;
    if (name == "sum" && is_decimal(type)) return AggregateKind::sum_decimal;
    if (name == "avg" && (is_integer(type) || is_decimal(type))) return AggregateKind::average;
    if (name == "sum" && appends && type.id() == LogicalTypeId::DOUBLE) return AggregateKind::sum_double;
    if (name == "avg" && appends && type.id() == LogicalTypeId::DOUBLE) return AggregateKind::average_double;
    const bool ordered = fixed_width(type) > 0 && type.id() != LogicalTypeId::INTERVAL;
    if (name == "min" && appends && ordered) return AggregateKind::minimum;
    if (name == "max" && appends && ordered) return AggregateKind::maximum;
  }
  if ((name == "min" || name == "max") && call.arguments.size() == 1 && is_text(call.arguments[0].type()))
    return name == "min" ? AggregateKind::minimum_text : AggregateKind::maximum_text;
  const bool first = name == "first" || name == "arbitrary";
  if (call.order.empty() && (first || name == "last")) return first ? AggregateKind::first : AggregateKind::last;
  if (order_free().count(name) || first || name == "last") return AggregateKind::bag;
  return user_error(Code::unsupported_sql, "the aggregate " + name + " is not supported over a stream")
      .with_remedy(
          "min, max, sum, avg, count, first, last, median, quantile_cont, stddev, arg_min, arg_max, list and "
          "string_agg are");
}

Result<AggregateKind> aggregate_kind(const AggregateCall& call, const FunctionDescription& function, Changelog input) {
  auto unsupported = [](std::string message) { return user_error(Code::unsupported_sql, std::move(message)); };
  if (!call.order.empty())
    return unsupported("ORDER BY inside " + function.name + " is not supported")
        .with_remedy("a function over lists has them in ascending order; an accumulator sees rows as they come");
  if (function.kind == FunctionKind::aggregate) return AggregateKind::function;
  if (call.distinct)
    return unsupported(function.name + "(DISTINCT ...): an accumulator sees every row")
        .with_remedy("write it as a function over lists");
  if (input != Changelog::append && !function.retracts)
    return unsupported("the input of " + function.name + " takes rows back, and " + function.name + " cannot")
        .with_remedy("give it a method retract(self, ...), or write it as a function over lists");
  return AggregateKind::accumulator;
}

}  // namespace headrace
