#include "ops/calling_project.h"

#include <algorithm>

namespace headrace {
namespace {

using duckdb::Allocator;

bool are_columns(const std::vector<Expr>& expressions) {
  return std::all_of(expressions.begin(), expressions.end(),
                     [](const Expr& each) { return each.column().has_value(); });
}

}  // namespace

CallingProjectOperator::CallingProjectOperator(const ProjectNode& node, const OperatorContext& context,
                                               SplitExpressions split)
    : schema_(node.output.schema()),
      in_schema_(context.output_of(node.inputs[0]).schema()),
      rest_(context.evaluation, std::move(split.rest), failing_of(node)),
      whole_(context.evaluation, node.expressions, failing_of(node)),
      rows_(in_schema_->types(), rows_held_max) {
  for (UserCall& call : split.calls) {
    std::optional<Evaluator> arguments;
    if (!are_columns(call.arguments)) arguments.emplace(context.evaluation, call.arguments);
    calls_.push_back({std::move(call), std::move(arguments)});
  }
}

Result<> CallingProjectOperator::on_batch(uint32_t, Batch batch, Emitter& out) {
  const size_t rows = static_cast<size_t>(batch.rows());
  if (rows > rows_.room()) HEADRACE_TRY(give(out));
  held_.push_back({rows_.rows(), rows, std::move(batch.diffs), std::move(batch.stamps_ms), batch.ordinal});
  rows_.append(batch.chunk);
  return rows_.room() == 0 ? give(out) : Result<>{};
}

/// Calls for all rows held, and emits them batch by batch.
Result<> CallingProjectOperator::give(Emitter& out) {
  if (held_.empty()) return {};
  DataChunk columns;
  reference_rows(rows_.chunk(), 0, rows_.rows(), columns);
  const bool called = call_all(columns).ok();
  for (Held& held : held_) HEADRACE_TRY(project(held, called ? &columns : nullptr, out));
  held_.clear();
  rows_.clear();
  return {};
}

/// Puts the results of all calls beside the input's columns.
Result<> CallingProjectOperator::call_all(DataChunk& columns) {
  for (Call& call : calls_) {
    DataChunk arguments;
    HEADRACE_TRY(fill_arguments(call, columns, arguments));
    Vector result(call.call.result, columns.size());
    HEADRACE_TRY(call.call.body(arguments, result));
    columns.data.push_back(std::move(result));
  }
  return {};
}

Result<> CallingProjectOperator::fill_arguments(Call& call, DataChunk& columns, DataChunk& arguments) {
  duckdb::vector<LogicalType> types;
  for (const Expr& argument : call.call.arguments) types.push_back(argument.type());
  if (!call.arguments) {
    if (!types.empty()) arguments.InitializeEmpty(types);
    for (size_t i = 0; i < types.size(); ++i)
      arguments.data[i].Reference(columns.data[*call.call.arguments[i].column()]);
    arguments.SetCapacity(columns);
    arguments.SetCardinality(columns.size());
    return {};
  }
  arguments.Initialize(Allocator::DefaultAllocator(), types, columns.size());
  for (size_t first = 0; first < columns.size(); first += rows_per_batch) {
    DataChunk part, computed;
    reference_rows(columns, first, std::min<size_t>(rows_per_batch, columns.size() - first), part);
    computed.Initialize(Allocator::DefaultAllocator(), types);
    HEADRACE_TRY(call.arguments->evaluate(part, computed));
    arguments.Append(computed);
  }
  return {};
}

/// Of one batch; without the calls' results it makes its own calls, and its bad rows are found.
Result<> CallingProjectOperator::project(Held& held, DataChunk* columns, Emitter& out) {
  Batch in;
  in.schema = in_schema_;
  in.diffs = std::move(held.diffs);
  in.stamps_ms = std::move(held.stamps_ms);
  in.ordinal = held.ordinal;
  reference_rows(rows_.chunk(), held.first, held.rows, in.chunk);
  Batch source = in.share();
  if (columns != nullptr) reference_rows(*columns, held.first, held.rows, source.chunk);
  HEADRACE_ASSIGN(
      Batch projected,
      (columns != nullptr ? rest_ : whole_).project(source, schema_, [&](uint32_t row, const Error& reason) {
        out.reject(in, row, reason);
        ++out.counters.quarantined;
      }));
  out.counters.passed += projected.rows();
  if (projected.rows() == 0 && held.rows > 0) return {};
  return out.emit(std::move(projected), 0);
}

std::unique_ptr<Operator> make_project(const ProjectNode& node, const OperatorContext& context) {
  SplitExpressions split = split_user_calls(node.expressions, context.output_of(node.inputs[0]).schema()->size());
  if (split.calls.empty() || meets_others(context.plan, node.id))
    return std::make_unique<ProjectOperator>(node, context);
  return std::make_unique<CallingProjectOperator>(node, context, std::move(split));
}

}  // namespace headrace
