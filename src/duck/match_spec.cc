#include "duck/match_spec.h"

#include <iomanip>
#include <sstream>

namespace headrace {
namespace {

/// Writes and reads the same members in the same order.
struct Writer {
  std::ostringstream out;

  template <class T>
  void number(const T& value) {
    out << static_cast<int64_t>(value) << ' ';
  }
  void text(const std::string& value) { out << std::quoted(value) << ' '; }
  template <class T, class F>
  void list(const std::vector<T>& items, F each) {
    number(items.size());
    for (const T& item : items) each(item);
  }
};

struct Reader {
  std::istringstream in;

  template <class T>
  void number(T& value) {
    int64_t read = 0;
    in >> read;
    value = static_cast<T>(read);
  }
  void text(std::string& value) { in >> std::quoted(value); }
  template <class T, class F>
  void list(std::vector<T>& items, F each) {
    size_t count = 0;
    for (number(count); count > 0 && in; --count) each(items.emplace_back());
  }
};

template <class Way, class Value>
void carry_value(Way& way, Value& value) {
  way.number(value.kind);
  int64_t variable = value.variable ? static_cast<int64_t>(*value.variable) : -1;
  way.number(variable);
  if constexpr (!std::is_const_v<Value>)
    if (variable >= 0) value.variable = static_cast<size_t>(variable);
  way.number(value.argument);
  way.number(value.offset);
  way.text(value.function);
}

template <class Way, class Spec>
void carry(Way& way, Spec& spec) {
  way.number(spec.keys);
  way.number(spec.sorted);
  way.number(spec.arguments);
  way.list(spec.pattern, [&](auto& variable) {
    way.text(variable.name);
    way.number(variable.min);
    way.number(variable.max);
    way.number(variable.reluctant);
  });
  way.list(spec.defined, [&](auto& variable) { way.number(variable); });
  way.number(spec.after);
  way.number(spec.after_variable);
  way.number(spec.within_ms);
  way.list(spec.measures, [&](auto& value) { carry_value(way, value); });
  way.list(spec.conditions, [&](auto& value) { carry_value(way, value); });
}

bool holds_together(const MatchSpec& spec) {
  const size_t variables = spec.pattern.size();
  if (variables == 0 || spec.after_variable >= variables || spec.after > AfterMatch::to_last) return false;
  for (size_t variable : spec.defined)
    if (variable >= variables) return false;
  for (const auto* values : {&spec.measures, &spec.conditions})
    for (const MatchValue& value : *values)
      if (value.kind > MatchValue::Kind::aggregate || (value.variable && *value.variable >= variables) ||
          value.argument >= spec.arguments || value.offset < 0)
        return false;
  return true;
}

}  // namespace

std::string encode(const MatchSpec& spec) {
  Writer writer;
  carry(writer, spec);
  std::string out = writer.out.str();
  out.pop_back();
  return out;
}

Result<MatchSpec> decode_match(const std::string& text) {
  Reader reader{std::istringstream(text)};
  MatchSpec spec;
  carry(reader, spec);
  if (!reader.in || !holds_together(spec))
    return user_error(Code::bind_error, "headrace_match is called with a text that MATCH_RECOGNIZE did not make")
        .with_remedy("write FROM t MATCH_RECOGNIZE (...)");
  return spec;
}

}  // namespace headrace
