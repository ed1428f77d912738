#include "plan/match_recognize.h"

#include "base/text.h"
#include "plan/interval.h"

namespace headrace {
namespace {

constexpr int64_t rows_max = 1'000'000;  // In a quantifier.
constexpr int depth_max = 200;           // Of brackets in a pattern.

class MatchParser {
 public:
  MatchParser(std::span<const Token> tokens, TokenRange inside, const std::string& file)
      : tokens_(tokens), at_(inside.begin), end_(inside.end), file_(file) {}

  Result<MatchClause> parse() {
    HEADRACE_TRY(partition());
    HEADRACE_TRY(order());
    HEADRACE_TRY(measures());
    HEADRACE_TRY(rows_per_match());
    HEADRACE_ASSIGN(std::optional<size_t> target, after_match());
    HEADRACE_TRY(pattern());
    HEADRACE_TRY(within());
    if (here().is("SUBSET")) return unsupported(at_, "SUBSET is not supported", "name the variables one by one");
    HEADRACE_TRY(definitions());
    if (target) HEADRACE_TRY(check_target(*target));
    return std::move(out_);
  }

 private:
  const Token& token(size_t i) const { return i < end_ ? tokens_[i] : tokens_[end_]; }
  const Token& here() const { return token(at_); }
  bool take(const char* keyword) {
    if (at_ == end_ || !here().is(keyword)) return false;
    ++at_;
    return true;
  }
  bool take_op(const char* symbol) {
    if (at_ == end_ || !here().is_op(symbol)) return false;
    ++at_;
    return true;
  }
  Error wanted(const std::string& what) const { return expected(what, here(), file_); }
  Error wrong(size_t i, std::string message) const { return syntax_error(std::move(message), token(i), file_); }
  Error unsupported(size_t i, std::string message, std::string remedy) const {
    return user_error(Code::unsupported_sql, std::move(message))
        .with_remedy(std::move(remedy))
        .with_location({file_, token(i).line, token(i).column});
  }

  Result<> words(std::initializer_list<const char*> keywords) {
    for (const char* keyword : keywords)
      if (!take(keyword)) return wanted(keyword);
    return {};
  }

  Result<size_t> name(const char* what) {
    if (at_ == end_ || !here().is_name()) return wanted(what);
    return at_++;
  }

  /// Tokens up to a comma or one of the keywords outside of brackets.
  TokenRange until(std::initializer_list<const char*> keywords) {
    TokenRange out{at_, at_};
    for (int depth = 0; at_ < end_; ++at_) {
      if (here().is_op("(") || here().is_op("[") || here().is_op("{")) ++depth;
      if (here().is_op(")") || here().is_op("]") || here().is_op("}")) --depth;
      bool stop = depth == 0 && here().is_op(",");
      for (const char* keyword : keywords) stop = stop || (depth == 0 && here().is(keyword));
      if (stop) break;
    }
    out.end = at_;
    return out;
  }

  Result<> partition() {
    if (!take("PARTITION")) return {};
    HEADRACE_TRY(words({"BY"}));
    do {
      HEADRACE_ASSIGN(size_t column, name("the name of a column"));
      out_.partition.push_back(column);
    } while (take_op(","));
    return {};
  }

  Result<> order() {
    if (!here().is("ORDER"))
      return wanted("ORDER BY").with_remedy("MATCH_RECOGNIZE needs ORDER BY and the event-time column");
    HEADRACE_TRY(words({"ORDER", "BY"}));
    do {
      MatchClause::Order item;
      HEADRACE_ASSIGN(item.column, name("the name of a column"));
      item.descending = take("DESC");
      if (!item.descending) take("ASC");
      if (take("NULLS")) {
        item.nulls_first = take("FIRST");
        if (!item.nulls_first) HEADRACE_TRY(words({"LAST"}));
      }
      if (out_.order.empty() && item.descending)
        return unsupported(item.column, "the time must be in ascending order", "write ORDER BY time_column ASC");
      out_.order.push_back(item);
    } while (take_op(","));
    return {};
  }

  Result<> measures() {
    if (!take("MEASURES")) return {};
    do {
      MatchClause::Measure measure;
      measure.expression = until({"AS"});
      if (measure.expression.empty()) return wanted("an expression");
      HEADRACE_TRY(words({"AS"}));
      HEADRACE_ASSIGN(measure.name, name("the measure's name"));
      for (const MatchClause::Measure& other : out_.measures)
        if (same_name(token(other.name).value(), token(measure.name).value()))
          return wrong(measure.name, "two measures have the name " + token(measure.name).value());
      for (size_t column : out_.partition)
        if (same_name(token(column).value(), token(measure.name).value()))
          return wrong(measure.name, "a measure has the name of the partition's column " + token(column).value());
      out_.measures.push_back(measure);
    } while (take_op(","));
    return {};
  }

  Result<> rows_per_match() {
    if (here().is("ALL"))
      return unsupported(at_, "ALL ROWS PER MATCH is not supported",
                         "write ONE ROW PER MATCH, with what you need as MEASURES");
    if (!here().is("ONE")) return {};
    return words({"ONE", "ROW", "PER", "MATCH"});
  }

  /// Gives the token of the variable that the search goes on at; it is looked up when the pattern is known.
  Result<std::optional<size_t>> after_match() {
    std::optional<size_t> none;
    if (!here().is("AFTER")) return none;
    HEADRACE_TRY(words({"AFTER", "MATCH", "SKIP"}));
    if (here().is("PAST")) {
      HEADRACE_TRY(words({"PAST", "LAST", "ROW"}));
      out_.after = AfterMatch::past_last_row;
      return none;
    }
    HEADRACE_TRY(words({"TO"}));
    if (here().is("NEXT") && token(at_ + 1).is("ROW")) {
      HEADRACE_TRY(words({"NEXT", "ROW"}));
      return none;
    }
    const bool first = here().is("FIRST"), last = here().is("LAST");
    if ((first || last) && token(at_ + 1).is_name() && !token(at_ + 1).is("PATTERN")) ++at_;
    out_.after = first ? AfterMatch::to_first : AfterMatch::to_last;
    HEADRACE_ASSIGN(size_t variable, name("NEXT ROW, FIRST, LAST or a variable"));
    return std::optional(variable);
  }

  Result<> pattern() {
    if (!take("PATTERN")) return wanted("PATTERN");
    if (!here().is_op("(")) return wanted("'('");
    const size_t open = at_++;
    HEADRACE_TRY(sequence(0));
    if (!take_op(")")) return wanted("a variable or ')'");
    if (out_.pattern.empty()) return wrong(open, "PATTERN is empty");
    bool needs_a_row = false;
    for (const PatternVariable& variable : out_.pattern) needs_a_row = needs_a_row || variable.min > 0;
    if (!needs_a_row)
      return unsupported(open, "a pattern that can match no row at all is not supported",
                         "give one variable a quantifier that asks for a row, such as +");
    const PatternVariable& last = out_.pattern.back();
    if (last.min == 0)
      return unsupported(
          open, "PATTERN ends with " + last.name + ", which would never get a row: the match is complete before it",
          "leave " + last.name + " out, or let it ask for a row");
    if (!last.reluctant && last.min != last.max)
      return unsupported(
          open, "PATTERN ends with a greedy quantifier: it would be known only later where the match ends",
          "end it with a plain variable, or write the reluctant quantifier, such as " + last.name + "+?");
    return {};
  }

  /// Variables with their quantifiers, up to what is none.
  Result<> sequence(int depth) {
    if (depth > depth_max) return wrong(at_, "this pattern is nested too deeply");
    for (; at_ < end_;) {
      if (here().is_op("|"))
        return unsupported(at_, "alternatives in a pattern (A | B) are not supported",
                           "define one variable whose condition joins theirs with OR");
      if (here().is_op("^") || here().is_op("$"))
        return unsupported(at_, "the anchors ^ and $ are not supported",
                           "a stream's partition has no first and no last row");
      if (here().is_op("{"))
        return unsupported(at_, "{- ... -} is not supported", "leave the variable out of MEASURES");
      if (here().is("PERMUTE") && token(at_ + 1).is_op("("))
        return unsupported(at_, "PERMUTE is not supported", "write one MATCH_RECOGNIZE per order, and UNION ALL");
      if (take_op("(")) {
        HEADRACE_TRY(sequence(depth + 1));
        if (!take_op(")")) return wanted("a variable or ')'");
        if (here().is_op("*") || here().is_op("+") || here().is_op("?") || here().is_op("{"))
          return unsupported(at_, "a quantifier behind a group of variables is not supported",
                             "quantifiers stand behind single variables");
        continue;
      }
      if (!here().is_name()) return {};
      PatternVariable variable;
      variable.name = here().value();
      if (out_.find_variable(here()))
        return unsupported(at_, "the variable " + variable.name + " stands twice in the pattern",
                           "define a second variable with the same condition");
      ++at_;
      HEADRACE_TRY(quantifier(variable));
      out_.pattern.push_back(variable);
    }
    return {};
  }

  Result<> quantifier(PatternVariable& variable) {
    const size_t place = at_;
    if (take_op("*")) {
      variable.min = 0;
      variable.max = unbounded_rows;
    } else if (take_op("+")) {
      variable.max = unbounded_rows;
    } else if (take_op("?")) {
      variable.min = 0;
    } else if (here().is_op("{") && !token(at_ + 1).is_op("-")) {
      ++at_;
      variable.min = 0;
      const bool from = here().kind == TokenKind::number;
      if (from) HEADRACE_TRY(count(variable.min));
      variable.max = variable.min;
      if (take_op(",")) {
        variable.max = unbounded_rows;
        if (here().kind == TokenKind::number) HEADRACE_TRY(count(variable.max));
      } else if (!from) {
        return wanted("a number of rows");
      }
      if (!take_op("}")) return wanted("'}'");
      if (variable.max == 0 || variable.max < variable.min)
        return wrong(place, "this quantifier lets " + variable.name + " take no row");
    } else {
      return {};
    }
    variable.reluctant = take_op("?");
    if (variable.reluctant && variable.min == 0 && variable.max == 1)
      return unsupported(place, "a reluctant optional variable (" + variable.name + "\?\?) is not supported",
                         "write " + variable.name + "?");
    return {};
  }

  Result<> count(int64_t& out) {
    const std::string digits = here().value();
    if (digits.size() > 7 || digits.find_first_not_of("0123456789") != std::string::npos ||
        std::stoll(digits) > rows_max)
      return wanted("a number of rows up to " + std::to_string(rows_max));
    out = std::stoll(digits);
    ++at_;
    return {};
  }

  Result<> within() {
    if (!take("WITHIN")) return {};
    const size_t place = at_;
    if (!here().is("INTERVAL")) return wanted("INTERVAL");
    HEADRACE_ASSIGN(IntervalText length, read_interval(tokens_, at_, file_));
    if (at_ > end_) return wrong(place, "this interval does not end inside MATCH_RECOGNIZE");
    if (length.months != 0)
      return wrong(place, "WITHIN takes an interval of days or less; months have no fixed length");
    if (length.us <= 0 || length.us % 1000 != 0) return wrong(place, "WITHIN takes a positive number of milliseconds");
    out_.within_ms = length.us / 1000;
    return {};
  }

  Result<> definitions() {
    if (!take("DEFINE")) return wanted("DEFINE");
    do {
      MatchClause::Definition definition;
      HEADRACE_ASSIGN(size_t place, name("the name of a variable"));
      std::optional<size_t> variable = out_.find_variable(token(place));
      if (!variable) return wrong(place, "DEFINE names a variable that is not in the pattern: " + token(place).value());
      for (const MatchClause::Definition& other : out_.definitions)
        if (other.variable == *variable) return wrong(place, token(place).value() + " is defined twice");
      definition.variable = *variable;
      HEADRACE_TRY(words({"AS"}));
      definition.condition = until({});
      if (definition.condition.empty()) return wanted("a condition");
      out_.definitions.push_back(definition);
    } while (take_op(","));
    if (at_ != end_) return wanted("')'");
    return {};
  }

  /// The search must go on behind the first row of the match, and at a row that is there.
  Result<> check_target(size_t place) {
    std::optional<size_t> variable = out_.find_variable(token(place));
    const std::string name = token(place).value();
    if (!variable) return wrong(place, "AFTER MATCH names a variable that is not in the pattern: " + name);
    out_.after_variable = *variable;
    const PatternVariable& target = out_.pattern[*variable];
    if (target.min == 0)
      return unsupported(place, "the search cannot go on at " + name + ", which may have no row",
                         "name a variable that always has one");
    bool behind = out_.after == AfterMatch::to_last && target.min > 1;
    for (size_t i = 0; i < *variable; ++i) behind = behind || out_.pattern[i].min > 0;
    if (!behind)
      return unsupported(place, "the search would go on at the row where the match began, for ever",
                         "write AFTER MATCH SKIP TO NEXT ROW");
    return {};
  }

  std::span<const Token> tokens_;
  size_t at_, end_;
  const std::string& file_;
  MatchClause out_;
};

}  // namespace

std::optional<size_t> MatchClause::find_variable(const Token& name) const {
  if (!name.is_name()) return std::nullopt;
  for (size_t i = 0; i < pattern.size(); ++i)
    if (same_name(pattern[i].name, name.value())) return i;
  return std::nullopt;
}

Result<MatchClause> parse_match_recognize(std::span<const Token> tokens, TokenRange inside, const std::string& file) {
  return MatchParser(tokens, inside, file).parse();
}

}  // namespace headrace
