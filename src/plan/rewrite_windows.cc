// Functions over a table: TUMBLE, HOP, CUMULATE and SESSION in every spelling, and users' process functions.
#include <array>

#include "plan/rewriter.h"

namespace headrace {
namespace {

struct Window {
  std::string_view name, duckdb;
  std::vector<std::string_view> parameters;  // In the order in which they are given without names.
  std::string_view form;
};

const std::array<Window, 4>& windows() {
  static const std::array<Window, 4> table{
      Window{"TUMBLE",
             "tumble",
             {"DATA", "TIMECOL", "SIZE", "OFFSET"},
             "TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)"},
      Window{"HOP",
             "hop",
             {"DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"},
             "HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '1' MINUTE)"},
      Window{"CUMULATE",
             "cumulate",
             {"DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"},
             "CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '1' MINUTE)"},
      Window{"SESSION",
             "session",
             {"DATA", "TIMECOL", "GAP"},
             "SESSION(TABLE t PARTITION BY key, DESCRIPTOR(ts), INTERVAL '1' MINUTE)"},
  };
  return table;
}

std::string listed(const std::vector<std::string_view>& names) {
  std::string out;
  for (std::string_view name : names) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

}  // namespace

Rewriter::Claimed Rewriter::window(size_t i, size_t end) {
  const Window* window = nullptr;
  for (const Window& candidate : windows())
    if (token(i).is(candidate.name)) window = &candidate;
  if (window == nullptr) return not_here();
  HEADRACE_ASSIGN(size_t close, closing(i + 1, end));
  std::vector<TokenRange> given = arguments(i + 1, close);
  if (given.empty()) return not_here();
  bool ours = token(given[0].begin).is("TABLE") || token(given[0].begin + 1).is_op("=>");
  bool duckdb = token(given[0].begin).is_op("(") && given.size() > 1 && token(given[1].begin).kind == TokenKind::string;
  if (duckdb) return not_here();
  if (!ours) {
    if (given.size() > 1 && token(given[1].begin).is("INTERVAL")) return group_window(i);
    return error_at(given[0].begin, "expected TABLE, found " + describe(token(given[0].begin)))
        .with_remedy("write " + std::string(window->form));
  }
  HEADRACE_ASSIGN(std::string keys, window_keys(given));
  if (!keys.empty() && window->name != "SESSION")
    return error_at(given[0].begin,
                    "PARTITION BY belongs to SESSION; " + std::string(window->name) + " takes its keys from GROUP BY");

  const std::vector<std::string_view>& parameters = window->parameters;
  std::vector<TokenRange> values(parameters.size());
  bool named = false;
  for (size_t k = 0; k < given.size(); ++k) {
    size_t parameter = k;
    TokenRange value = given[k];
    if (value.empty()) return expected("an argument", token(value.begin), file_);
    if (token(value.begin).is_name() && token(value.begin + 1).is_op("=>")) {
      named = true;
      std::string name = token(value.begin).value();
      for (parameter = 0; parameter < parameters.size() && !Token{TokenKind::word, name}.is(parameters[parameter]);)
        ++parameter;
      if (parameter == parameters.size())
        return error_at(value.begin, std::string(window->name) + " has no argument " + name)
            .with_remedy("its arguments are " + listed(parameters));
      value.begin += 2;
    } else if (named) {
      return error_at(value.begin, "an argument without a name stands behind one with a name");
    } else if (k >= parameters.size()) {
      return error_at(value.begin, std::string(window->name) + " takes at most " + std::to_string(parameters.size()) +
                                       " arguments: " + listed(parameters));
    }
    if (!values[parameter].empty())
      return error_at(value.begin, std::string(parameters[parameter]) + " is given twice");
    values[parameter] = value;
  }
  for (size_t p = 0; p < parameters.size(); ++p)
    if (values[p].empty() && parameters[p] != "OFFSET")
      return error_at(close, std::string(window->name) + " needs " + std::string(parameters[p]))
          .with_remedy("write " + std::string(window->form));

  TokenRange column = values[1];
  if (column.size() != 4 || !token(column.begin).is("DESCRIPTOR") || !token(column.begin + 2).is_name())
    return expected("DESCRIPTOR(column)", token(column.begin), file_).with_remedy("write " + std::string(window->form));
  space(i);
  put(std::string(window->duckdb) + "(", i);
  HEADRACE_TRY(window_data(values[0]));
  put(", ", column.begin);
  put(quote_text(token(column.begin + 2).value()), column.begin + 2);
  for (size_t p = 2; p < parameters.size(); ++p) {
    if (values[p].empty()) {
      put(", INTERVAL '0' SECOND", i);
      continue;
    }
    put(before(",", values[p].begin), i);
    HEADRACE_TRY(run(values[p]));
  }
  if (window->name == "SESSION") put(", " + quote_text(keys), i);
  put(")", close);
  return std::optional(close + 1);
}

/// Velocity(TABLE tx PARTITION BY card) -> Velocity((FROM tx), 'card')
Rewriter::Claimed Rewriter::process(size_t i, size_t end) {
  if (!is_call(i) || !token(i + 2).is("TABLE")) return not_here();
  HEADRACE_ASSIGN(size_t close, closing(i + 1, end));
  std::vector<TokenRange> given = arguments(i + 1, close);
  HEADRACE_ASSIGN(std::string keys, window_keys(given));
  if (given.size() > 1)
    return error_at(given[1].begin, token(i).value() + " takes one table")
        .with_remedy("write " + token(i).value() + "(TABLE t PARTITION BY key)");
  copy(i);
  put("(", i + 1);
  HEADRACE_TRY(window_data(given[0]));
  put(", " + quote_text(keys) + ")", close);
  return std::optional(close + 1);
}

/// Takes PARTITION BY and its keys out of the arguments: "a,b". Keys after the first stand where arguments do, or in
/// brackets.
Result<std::string> Rewriter::window_keys(std::vector<TokenRange>& arguments) {
  size_t holder = arguments.size(), partition = 0;
  for (size_t a = 0; a < arguments.size() && holder == arguments.size(); ++a)
    for (size_t i = arguments[a].begin, depth = 0; i < arguments[a].end && holder == arguments.size(); ++i) {
      depth += token(i).is_op("(");
      depth -= token(i).is_op(")") && depth > 0;
      if (depth == 0 && token(i).is("PARTITION") && token(i + 1).is("BY")) holder = a, partition = i;
    }
  if (holder == arguments.size()) return std::string();
  size_t last = holder;
  while (last + 1 < arguments.size() && arguments[last + 1].size() == 1 && token(arguments[last + 1].begin).is_name())
    ++last;
  std::string keys;
  for (size_t i = partition + 2; i < arguments[last].end; ++i) {
    const Token& key = token(i);
    if (key.is_op("(") || key.is_op(")") || key.is_op(",")) continue;
    if (!key.is_name() || token(i + 1).is_op("."))
      return expected("the name of a column", key.is_name() ? token(i + 1) : key, file_);
    keys += (keys.empty() ? "" : ",") + key.value();
  }
  if (keys.empty()) return expected("the name of a column", token(partition + 2), file_);
  arguments[holder].end = partition;
  arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(holder) + 1,
                  arguments.begin() + static_cast<std::ptrdiff_t>(last) + 1);
  return keys;
}

/// TABLE t -> (FROM t); TABLE (SELECT ...) -> (SELECT ...)
Result<> Rewriter::window_data(TokenRange data) {
  if (!token(data.begin).is("TABLE")) return expected("TABLE", token(data.begin), file_);
  TokenRange relation{data.begin + 1, data.end};
  if (relation.empty()) return expected("a table's name or a query in brackets", token(relation.begin), file_);
  if (token(relation.begin).is_op("(")) {
    HEADRACE_ASSIGN(size_t close, closing(relation.begin, data.end));
    if (close + 1 != data.end) return expected("',' behind the query", token(close + 1), file_);
    return run(relation);
  }
  put(before("(FROM", relation.begin), data.begin);
  for (size_t i = relation.begin; i < relation.end; ++i)
    if (token(i).is_name() && i > relation.begin && token(i - 1).is_name()) return expected("','", token(i), file_);
  HEADRACE_TRY(run(relation));
  put(")", data.begin);
  return {};
}

/// TUMBLE(ts, INTERVAL ...) in GROUP BY is Flink's older form.
Error Rewriter::group_window(size_t i) const {
  return error_at(i, std::string(token(i).text) + " stands in FROM, not among the grouping expressions")
      .with_remedy(
          "write SELECT window_start, ... FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE) GROUP BY "
          "window_start, window_end");
}

}  // namespace headrace
