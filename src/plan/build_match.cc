// MATCH_RECOGNIZE: from headrace_match, and the conditions above it, to a MatchNode.
#include <algorithm>
#include <numeric>

#include "base/text.h"
#include "duck/conjunction.h"
#include "plan/relation_builder.h"

namespace headrace {
namespace {

using Kind = BoundRelation::Kind;

/// Where the columns of headrace_match's input and output lie.
struct MatchColumns {
  const MatchSpec& spec;
  size_t own;  ///< How many columns the table itself has.

  size_t key(size_t i) const { return own + i; }
  size_t time() const { return own + spec.keys; }
  size_t argument(size_t i) const { return own + spec.added_columns() - spec.arguments + i; }
  size_t first_measure() const { return spec.keys + 1; }
  size_t first_condition() const { return first_measure() + spec.measures.size(); }
  size_t first_own() const { return first_condition() + spec.conditions.size(); }

  bool is_measure(size_t output) const { return output >= first_measure() && output < first_condition(); }

  /// What the output column `output` reads.
  PatternValue value(size_t output, const BoundRelation& match, const Output& input) const {
    PatternValue out;  // The last row's value: right for keys, time and the table's own columns.
    if (output >= first_own()) {
      out.argument = output - first_own();
    } else if (output < spec.keys) {
      out.argument = key(output);
    } else if (output == spec.keys) {
      out.argument = time();
    } else {
      const size_t at = output - first_measure();
      static_cast<MatchValue&>(out) =
          is_measure(output) ? spec.measures[at] : spec.conditions[output - first_condition()];
      out.argument = argument(out.argument);
      out.call = match.aggregates[at];
    }
    out.type = out.call.bound ? out.call.type : input.columns[out.argument].type;
    return out;
  }
};

bool reads_clock(const Expr& expression) {
  for (const std::string& name : expression.functions())
    for (const char* clock : {"now", "get_current_timestamp", "transaction_timestamp", "current_localtimestamp",
                              "localtimestamp", "current_date", "today"})
      if (name == clock) return true;
  return false;
}

/// Whether a match of the pattern always has the same number of rows: then no match waits for one that began earlier.
bool fixed_length(const std::vector<MatchedVariable>& pattern) {
  return std::all_of(pattern.begin(), pattern.end(),
                     [](const PatternVariable& variable) { return variable.min == variable.max; });
}

Result<> check_input(const Output& in, const Column& time) {
  if (in.changelog != Changelog::append)
    return user_error(Code::changelog_mismatch, "MATCH_RECOGNIZE reads a result that changes")
        .with_remedy("match over a source, or over windows that give their results once (EMIT ON WINDOW CLOSE)");
  if (!in.watermark)
    return user_error(Code::missing_watermark, "MATCH_RECOGNIZE reads an input without a watermark")
        .with_remedy("declare WATERMARK FOR in the source, and keep its column in the query below");
  if (time.role != TimeRole::event_time && time.role != TimeRole::window_time)
    return user_error(Code::bad_time_column, "MATCH_RECOGNIZE is not ordered by an event-time column")
        .with_remedy("write ORDER BY and the column of WATERMARK FOR, or window_time of a window below, first");
  return {};
}

}  // namespace

/// `relation` is the filter with headrace_define over headrace_match.
Result<Input> RelationBuilder::build_match(const BoundRelation& relation) {
  const BoundRelation& match = *relation.inputs[0];
  const BoundRelation& table = *match.inputs[0];  // The projection that adds keys, time and arguments.
  const MatchSpec& spec = *match.match;
  std::optional<std::vector<Expr>> conditions =
      relation.expressions.size() == 1 ? as_call(relation.expressions[0], "headrace_define") : std::nullopt;
  if (!conditions || conditions->size() != spec.defined.size() || table.kind != Kind::project)
    return user_error(Code::unsupported_sql, "this form of MATCH_RECOGNIZE is not supported")
        .with_remedy("write conditions in DEFINE without sub-queries");
  HEADRACE_ASSIGN(Input input, build(*table.inputs[0]));
  const MatchColumns columns{spec, table.columns.size() - spec.added_columns()};
  const std::optional<size_t> time = table.expressions[columns.time()].column();
  HEADRACE_TRY(check_input(output_of(input), time ? output_of(input).columns[*time] : Column{}));
  HEADRACE_ASSIGN(input,
                  split_late(input, *table.inputs[0], {WindowKind::tumble, *time, 1, 1, 0, {}}, "MATCH_RECOGNIZE"));
  std::vector<std::string> names;
  for (const BoundColumn& column : table.columns) names.push_back(column.name);
  input = project(input, table.expressions, names);

  MatchNode node;
  node.partition.resize(spec.keys);
  std::iota(node.partition.begin(), node.partition.end(), columns.key(0));
  node.time_column = columns.time();
  if (spec.sorted) node.sort_column = columns.time() + 1;
  for (const PatternVariable& variable : spec.pattern) node.pattern.push_back({variable, {}, {}});
  node.after = spec.after;
  node.after_variable = spec.after_variable;
  node.within_ms = spec.within_ms;
  node.hold_at_end = emit_.holds_at_end();

  // Conditions. What a condition reads of its own row alone is decided row by row, below the matching.
  std::vector<PatternValue> values;
  for (size_t output : match.scan_columns) values.push_back(columns.value(output, match, output_of(input)));
  std::vector<size_t> to_input, to_read(values.size());
  for (const PatternValue& value : values) to_input.push_back(value.argument);
  std::vector<Expr> row_conditions;
  std::vector<size_t> row_variables;
  for (size_t i = 0; i < conditions->size(); ++i) {
    const Expr& condition = (*conditions)[i];
    MatchedVariable& variable = node.pattern[spec.defined[i]];
    bool own_row = true;
    for (size_t column : condition.columns()) {
      if (columns.is_measure(match.scan_columns[column]))
        return user_error(Code::unknown_column, "the condition of " + variable.name + " names a measure")
            .with_remedy("write the measure's expression");
      const PatternValue& value = values[column];
      own_row = own_row && value.kind == MatchValue::Kind::last && value.offset == 0 &&
                (!value.variable || *value.variable == spec.defined[i]);
    }
    if (own_row) {
      row_conditions.push_back(condition.remap(to_input));
      row_variables.push_back(spec.defined[i]);
      continue;
    }
    if (!condition.deterministic() || reads_clock(condition))
      return user_error(Code::nondeterministic, "the condition of " + variable.name +
                                                    " may change its mind when it is asked again: " + condition.text())
          .with_remedy("compute what depends on the clock or on chance in a view below");
    for (size_t column : condition.columns()) {
      to_read[column] = node.read.size();
      node.read.push_back(values[column]);
    }
    variable.condition = condition.remap(to_read);
  }
  std::vector<size_t> places;
  input = with_columns(input, row_conditions, places);
  for (size_t i = 0; i < places.size(); ++i) node.pattern[row_variables[i]].row_condition = places[i];

  // An aggregate reads its argument as the type that it takes.
  std::vector<Expr> arguments;
  std::vector<PatternValue*> aggregates;
  for (std::vector<PatternValue>* list : {&node.read, &values})
    for (PatternValue& value : *list)
      if (value.call.bound) {
        arguments.push_back(value.call.arguments[0]);
        aggregates.push_back(&value);
      }
  input = with_columns(input, arguments, places);
  for (size_t i = 0; i < places.size(); ++i) aggregates[i]->argument = places[i];

  const Output& in = output_of(input);
  node.inputs = {input};
  node.outputs = values;
  const bool in_time = fixed_length(node.pattern);
  node.hold_ms = in_time ? 0 : node.within_ms;
  node.output.watermark = in_time || node.within_ms > 0;
  node.output.deterministic = in.deterministic;
  for (size_t i = 0; i < values.size(); ++i) {
    const bool is_time = match.scan_columns[i] == spec.keys && node.output.watermark;
    node.output.columns.push_back(
        {match.columns[i].name, values[i].type, is_time ? TimeRole::event_time : TimeRole::none});
  }
  return add(std::move(node));
}

}  // namespace headrace
