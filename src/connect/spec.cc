#include "connect/spec.h"

#include <fmt/format.h>

#include <charconv>

namespace headrace {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  }
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

template <class T>
bool reads_whole(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

/// "column.*" stands for one option per column.
bool names(const ConfigField& field, const std::string& option) {
  if (!field.name.ends_with(".*")) return field.name == option;
  return option.starts_with(field.name.substr(0, field.name.size() - 1)) && option.size() + 1 > field.name.size();
}

/// "file | glob: text" gives {"file", "glob"}.
std::vector<std::string> choices_of(const ConfigField& field) {
  std::vector<std::string> choices;
  std::string_view list = field.summary.substr(0, field.summary.find(':'));
  while (!list.empty()) {
    const size_t bar = list.find('|');
    choices.emplace_back(trimmed(list.substr(0, bar)));
    list = bar == std::string_view::npos ? "" : list.substr(bar + 1);
  }
  return choices;
}

Error bad_value(std::string_view what, const ConfigField& field, std::string_view value, std::string_view expected) {
  return user_error(Code::bad_config, fmt::format("{}: option {} = '{}' is not {}", what, field.name, value, expected));
}

/// Checks one value; gives it as it is kept.
Result<std::string> checked_value(std::string_view what, const ConfigField& field, const std::string& value) {
  switch (field.kind) {
    case FieldKind::integer: {
      int64_t number;
      if (!reads_whole(trimmed(value), number)) return bad_value(what, field, value, "a whole number");
      return std::string(trimmed(value));
    }
    case FieldKind::real: {
      double number;
      if (!reads_whole(trimmed(value), number)) return bad_value(what, field, value, "a number");
      return std::string(trimmed(value));
    }
    case FieldKind::boolean: {
      const std::string word = lower(trimmed(value));
      if (word != "true" && word != "false") return bad_value(what, field, value, "true or false");
      return word;
    }
    case FieldKind::duration_ms: {
      Result<int64_t> parsed = parse_duration_ms(value);
      if (!parsed.ok()) {
        Error error = std::move(parsed).error();
        error.message = fmt::format("{}: option {}: {}", what, field.name, error.message);
        return error;
      }
      return value;
    }
    case FieldKind::choice: {
      const std::vector<std::string> choices = choices_of(field);
      for (const std::string& choice : choices) {
        if (lower(choice) == lower(trimmed(value))) return choice;
      }
      const std::string nearest = nearest_name(value, choices);
      return bad_value(what, field, value, fmt::format("one of {}", fmt::join(choices, ", ")))
          .with_remedy(nearest.empty() ? "" : fmt::format("did you mean '{}'?", nearest));
    }
    case FieldKind::delimiter: {
      if (value.size() == 1 && std::string_view("\"\r\n").find(value[0]) == std::string_view::npos) return value;
      return bad_value(what, field, value, "one ASCII character other than a quote or a line end")
          .with_remedy("write it like ',' or ';', a tab as it is between the quotes");
    }
    case FieldKind::text:
    case FieldKind::columns:
      break;
  }
  return value;
}

std::vector<const ConnectorSpec*>& registered_connectors() {
  static std::vector<const ConnectorSpec*> specs;
  return specs;
}

}  // namespace

// connect/all.cc
std::span<const ConnectorSpec* const> own_connectors();

std::string Options::text(std::string_view name) const {
  const auto found = values_.find(std::string(name));
  return found == values_.end() ? "" : found->second;
}

int64_t Options::integer(std::string_view name) const {
  int64_t value = 0;
  reads_whole(text(name), value);  // check_options has refused what is not a number.
  return value;
}

double Options::real(std::string_view name) const {
  double value = 0;
  reads_whole(text(name), value);
  return value;
}

bool Options::boolean(std::string_view name) const {
  return text(name) == "true";
}

int64_t Options::duration_ms(std::string_view name) const {
  Result<int64_t> parsed = parse_duration_ms(text(name));
  return parsed.ok() ? *parsed : 0;
}

Result<Options> check_options(std::string_view what, std::span<const ConfigField> fields,
                              const std::map<std::string, std::string>& given) {
  std::map<std::string, std::string> values;
  for (const auto& [key, value] : given) {
    const std::string name = lower(key);
    const auto field = std::find_if(fields.begin(), fields.end(), [&](const ConfigField& f) { return names(f, name); });
    if (field == fields.end()) {
      std::vector<std::string> known;
      for (const ConfigField& f : fields) known.emplace_back(f.name);
      const std::string nearest = nearest_name(name, known);
      return user_error(Code::unknown_option,
                        fmt::format("{} has no option '{}'{}", what, key,
                                    nearest.empty() ? "" : fmt::format("; did you mean '{}'?", nearest)))
          .with_remedy(fmt::format("the options are {}", fmt::join(known, ", ")));
    }
    HEADRACE_ASSIGN(values[name], checked_value(what, *field, value));
  }
  for (const ConfigField& field : fields) {
    const std::string name(field.name);
    if (values.count(name)) continue;
    if (field.required) {
      return user_error(Code::bad_config, fmt::format("{} needs the option {}: {}", what, field.name, field.summary));
    }
    if (!field.fallback.empty()) values[name] = std::string(field.fallback);
  }
  return Options(std::move(values));
}

Result<int64_t> parse_duration_ms(std::string_view text) {
  struct Unit {
    std::string_view name;
    double ms;
  };
  constexpr Unit units[] = {{"", 1},
                            {"ms", 1},
                            {"millisecond", 1},
                            {"milliseconds", 1},
                            {"s", 1'000},
                            {"sec", 1'000},
                            {"second", 1'000},
                            {"seconds", 1'000},
                            {"m", 60'000},
                            {"min", 60'000},
                            {"minute", 60'000},
                            {"minutes", 60'000},
                            {"h", 3'600'000},
                            {"hour", 3'600'000},
                            {"hours", 3'600'000},
                            {"d", 86'400'000},
                            {"day", 86'400'000},
                            {"days", 86'400'000}};
  const std::string_view whole = trimmed(text);
  double number = 0;
  const auto [end, error] = std::from_chars(whole.data(), whole.data() + whole.size(), number);
  const std::string unit = lower(trimmed(whole.substr(static_cast<size_t>(end - whole.data()))));
  if (error == std::errc()) {
    for (const Unit& known : units) {
      const double ms = number * known.ms;
      if (known.name == unit && ms >= 0 && ms < 9e15) return static_cast<int64_t>(ms);
    }
  }
  return user_error(Code::bad_duration, fmt::format("'{}' is not a duration", text))
      .with_remedy("write it like '10 s', '250 ms', '1 min', '2 h' or '1 d'");
}

std::span<const ConnectorSpec* const> all_connectors() {
  // Grows by register_connector only, which app calls before anything else.
  static std::vector<const ConnectorSpec*> all;
  if (all.size() != own_connectors().size() + registered_connectors().size()) {
    all.assign(own_connectors().begin(), own_connectors().end());
    all.insert(all.end(), registered_connectors().begin(), registered_connectors().end());
    std::sort(all.begin(), all.end(), [](const ConnectorSpec* a, const ConnectorSpec* b) { return a->name < b->name; });
  }
  return all;
}

Result<const ConnectorSpec*> find_connector(std::string_view name) {
  std::vector<std::string> known;
  for (const ConnectorSpec* spec : all_connectors()) {
    if (spec->name == lower(name)) return spec;
    known.emplace_back(spec->name);
  }
  const std::string nearest = nearest_name(name, known);
  return user_error(Code::bad_config, fmt::format("there is no connector '{}'{}", name,
                                                  nearest.empty() ? "" : fmt::format("; did you mean '{}'?", nearest)))
      .with_remedy(fmt::format("the connectors are {}", fmt::join(known, ", ")));
}

void register_connector(const ConnectorSpec& spec) {
  registered_connectors().push_back(&spec);
}

}  // namespace headrace
