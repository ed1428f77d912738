#include "plan/window_functions.h"

#include <set>

#include "duck/conjunction.h"
#include "plan/aggregates.h"

namespace headrace {
namespace {

using Keeps = OverNode::Keeps;

bool is_rank(const std::string& name) {
  return name == "row_number" || name == "rank" || name == "dense_rank";
}

bool looks_at_partition(const std::string& name) {
  return name == "ntile" || name == "percent_rank" || name == "cume_dist" || name == "lead" || name == "fill";
}

bool picks_a_row(const std::string& name) {
  return name == "first_value" || name == "last_value" || name == "nth_value";
}

/// Aggregates whose arguments are all columns: the binder keeps constants of the others to itself.
bool is_plain_aggregate(const std::string& name) {
  static const std::set<std::string> names = {
      "count",     "count_star", "sum",      "avg",         "min",        "max",      "first",    "last",
      "any_value", "arg_min",    "arg_max",  "min_by",      "max_by",     "bool_and", "bool_or",  "bit_and",
      "bit_or",    "bit_xor",    "count_if", "list",        "array_agg",  "median",   "mode",     "product",
      "stddev",    "stddev_pop", "variance", "stddev_samp", "var_pop",    "var_samp", "skewness", "kurtosis",
      "covar_pop", "covar_samp", "corr",     "regr_slope",  "regr_count", "fsum",     "kahan_sum"};
  return names.count(name) > 0;
}

Reach reach_of_lag(const WindowCall& call) {
  std::optional<int64_t> offset = 1;
  if (call.arguments.size() > 1) offset = constant_integer(call.arguments[1]);
  if (!offset || call.ignore_nulls) return {};
  return {Keeps::last_rows, *offset};
}

Reach reach_from_first_row(const WindowCall& call) {
  const bool plain = call.frame.exclude.empty() && call.argument_order.empty() && !call.ignore_nulls &&
                     call.frame.stop.end == Frame::End::current_row;
  if (!plain) return {};
  if (total_of(call)) return {Keeps::totals, 0};
  if (!call.filter.empty()) return {};
  if (call.function == "first_value") return {Keeps::first_rows, 1};
  if (call.function == "last_value") return {Keeps::last_rows, 0};
  if (call.function == "nth_value") {
    std::optional<int64_t> place = constant_integer(call.arguments[1]);
    return place ? Reach{Keeps::first_rows, *place} : Reach{};
  }
  return {};
}

}  // namespace

std::optional<AggregateKind> total_of(const WindowCall& call) {
  if (!is_plain_aggregate(call.function) || call.distinct) return std::nullopt;
  if (call.function == "count" && call.arguments.empty()) return AggregateKind::count_star;
  AggregateCall aggregate;
  aggregate.function = call.function;
  aggregate.arguments = call.arguments;
  Result<AggregateKind> kind = aggregate_kind(aggregate, Changelog::append);
  if (!kind || (!call.arguments.empty() && call.arguments[0].type().id() == LogicalTypeId::HUGEINT))
    return std::nullopt;
  switch (*kind) {
    case AggregateKind::count:
    case AggregateKind::sum_integer:
    case AggregateKind::sum_decimal:
    case AggregateKind::sum_double:
    case AggregateKind::average:
    case AggregateKind::average_double:
    case AggregateKind::minimum:
    case AggregateKind::maximum:
      return *kind;
    default:  // What keeps the values of a group.
      return std::nullopt;
  }
}

std::optional<Reach> reach_of(const WindowCall& call) {
  if (looks_at_partition(call.function)) return std::nullopt;
  if (is_rank(call.function)) return Reach{Keeps::totals, 0};
  if (call.function == "lag") {
    Reach reach = reach_of_lag(call);
    return reach.kept < 0 || (reach.keeps == Keeps::all && !call.ignore_nulls) ? std::nullopt : std::optional(reach);
  }
  const Frame& frame = call.frame;
  if (frame.stop.end == Frame::End::following || frame.stop.end == Frame::End::unbounded_following) return std::nullopt;
  switch (frame.start.end) {
    case Frame::End::unbounded_preceding:
      return reach_from_first_row(call);
    case Frame::End::current_row:
      return Reach{Keeps::last_rows, 0};
    case Frame::End::preceding:
      if (!frame.start.distance) return Reach{};
      return Reach{frame.unit == Frame::Unit::rows     ? Keeps::last_rows
                   : frame.unit == Frame::Unit::groups ? Keeps::last_groups
                                                       : Keeps::recent,
                   *frame.start.distance};
    default:
      return std::nullopt;
  }
}

Result<> check_window_call(const WindowCall& call) {
  const bool known = is_rank(call.function) || looks_at_partition(call.function) || picks_a_row(call.function) ||
                     call.function == "lag" || is_plain_aggregate(call.function);
  if (!known)
    return user_error(Code::unsupported_sql, "the window function " + call.function + " is not supported over a stream")
        .with_remedy("ask it in an ad-hoc query over the view (headrace sql)");
  for (const Frame::Bound* bound : {&call.frame.start, &call.frame.stop})
    if ((bound->end == Frame::End::preceding || bound->end == Frame::End::following) && bound->text.empty())
      return user_error(Code::unsupported_sql, "the frame of " + call.text + " is as wide as a column says")
          .with_remedy("write the distance as a constant");
  return {};
}

}  // namespace headrace
