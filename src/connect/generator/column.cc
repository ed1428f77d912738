#include "connect/generator/column.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <numbers>

#include "connect/spec.h"

namespace headrace {
namespace {

/// SplitMix64: a well-mixed number for every input.
uint64_t mixed(uint64_t x) {
  x += 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

/// In [0, 1).
double unit(uint64_t bits) {
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\'')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\'')) text.remove_suffix(1);
  return text;
}

struct Call {
  std::string_view name;
  std::vector<std::string> arguments;
};

bool parse_call(std::string_view text, Call& out) {
  text = trimmed(text);
  const size_t open = text.find('(');
  if (open == std::string_view::npos) {
    out.name = text;
    return !text.empty();
  }
  if (text.back() != ')') return false;
  out.name = trimmed(text.substr(0, open));
  std::string_view list = text.substr(open + 1, text.size() - open - 2);
  while (!trimmed(list).empty()) {
    const size_t comma = list.find(',');
    out.arguments.emplace_back(trimmed(list.substr(0, comma)));
    if (comma == std::string_view::npos) break;
    list = list.substr(comma + 1);
  }
  return true;
}

bool is_number(ScalarKind kind) {
  return kind <= ScalarKind::decimal128;
}
bool is_integer(ScalarKind kind) {
  return kind <= ScalarKind::int128;
}
bool is_time(ScalarKind kind) {
  return kind == ScalarKind::timestamp || kind == ScalarKind::timestamp_tz || kind == ScalarKind::date;
}

std::string rule_for(ScalarKind kind) {
  if (is_time(kind)) return kind == ScalarKind::date ? "step(2024-01-01, 1 d)" : "step(2024-01-01 00:00:00, 1 s)";
  if (kind == ScalarKind::boolean) return "choice(true, false)";
  if (kind == ScalarKind::text) return "choice(a, b, c, d, e, f, g, h, i, j)";
  if (is_integer(kind)) return "sequence";
  return "uniform(0, 1000)";
}

bool number_of(const std::string& text, double& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Result<GeneratedColumn> GeneratedColumn::make(const Field& field, uint64_t seed, std::string_view rule) {
  GeneratedColumn column;
  column.name_ = field.name;
  column.type_ = scalar_type(field.type);
  column.seed_ = seed;
  const ScalarKind kind = column.type_.kind;
  const auto wrong = [&](std::string_view why) {
    return user_error(Code::bad_config, fmt::format("generator column {}: '{}' {}", field.name, rule, why))
        .with_remedy(
            "use sequence(start, step), uniform(low, high), normal(mean, deviation), choice(a, b, ...) or step(start, "
            "interval)");
  };
  if (kind == ScalarKind::other || kind == ScalarKind::blob)
    return wrong(fmt::format("cannot make values of type {}", field.type.ToString()));
  const std::string fitting = rule_for(kind);
  Call call;
  if (!parse_call(rule.empty() ? std::string_view(fitting) : rule, call)) return wrong("is not a rule");
  const std::vector<std::string>& arguments = call.arguments;
  if (call.name == "choice") {
    column.rule_ = Rule::choice;
    column.choices_ = arguments;
    if (arguments.empty()) return wrong("has nothing to choose from");
  } else if (call.name == "step") {
    column.rule_ = Rule::step;
    if (!is_time(kind) || arguments.size() != 2) return wrong("needs a time column, a start and an interval");
    int32_t days = 0;
    const Parse parsed = kind == ScalarKind::date ? parse_date_days(arguments[0], days)
                                                  : parse_timestamp_us(arguments[0], column.start_);
    if (parsed != Parse::ok) return wrong("does not start at a time such as 2024-01-01 00:00:00");
    HEADRACE_ASSIGN(const int64_t interval_ms, parse_duration_ms(arguments[1]));
    column.step_ = kind == ScalarKind::date ? interval_ms / 86'400'000 : interval_ms * 1000;
    if (kind == ScalarKind::date) column.start_ = days;
  } else if (call.name == "sequence") {
    column.rule_ = Rule::sequence;
    if (!is_number(kind) && kind != ScalarKind::text) return wrong("needs a column of numbers or text");
    if (arguments.size() > 2) return wrong("takes a start and a step");
    column.start_ = 1;
    if (!arguments.empty() && parse_int64(arguments[0], column.start_) != Parse::ok)
      return wrong("does not start at a whole number");
    if (arguments.size() > 1 && parse_int64(arguments[1], column.step_) != Parse::ok)
      return wrong("does not step by a whole number");
  } else if (call.name == "uniform" || call.name == "normal") {
    column.rule_ = call.name == "uniform" ? Rule::uniform : Rule::normal;
    if (!is_number(kind) && kind != ScalarKind::uuid) return wrong("needs a column of numbers");
    if (arguments.size() != 2 || !number_of(arguments[0], column.low_) || !number_of(arguments[1], column.high_)) {
      return wrong("needs two numbers");
    }
  } else {
    return wrong("is not a rule");
  }
  return column;
}

double GeneratedColumn::number(int64_t row) const {
  const uint64_t bits = mixed(seed_ + static_cast<uint64_t>(row));
  if (rule_ == Rule::normal) {  // Box and Muller's transform; 1 - u keeps the logarithm finite.
    const double radius = std::sqrt(-2 * std::log(1 - unit(bits)));
    return low_ + high_ * radius * std::cos(2 * std::numbers::pi * unit(mixed(bits)));
  }
  if (is_integer(type_.kind)) return std::floor(low_ + unit(bits) * (high_ - low_ + 1));  // Both bounds may come.
  return low_ + unit(bits) * (high_ - low_);
}

Parse GeneratedColumn::store(Vector& vector, int64_t place, int64_t row) const {
  using duckdb::FlatVector;
  if (rule_ == Rule::choice)
    return store_text(type_, choices_[mixed(seed_ + static_cast<uint64_t>(row)) % choices_.size()], vector, place);
  if (type_.kind == ScalarKind::uuid) {
    auto& value = FlatVector::GetDataUnsafe<duckdb::hugeint_t>(vector)[place];
    value.lower = mixed(seed_ + static_cast<uint64_t>(row));
    value.upper = static_cast<int64_t>(mixed(value.lower));
    return Parse::ok;
  }
  if (rule_ == Rule::step || rule_ == Rule::sequence) {
    const int64_t value = start_ + row * step_;
    if (type_.kind == ScalarKind::int64 || type_.kind == ScalarKind::timestamp ||
        type_.kind == ScalarKind::timestamp_tz) {
      FlatVector::GetDataUnsafe<int64_t>(vector)[place] = value;
      return Parse::ok;
    }
    if (type_.kind == ScalarKind::date) {
      FlatVector::GetDataUnsafe<int32_t>(vector)[place] = static_cast<int32_t>(value);
      return Parse::ok;
    }
    return store_text(type_, fmt::format_int(value).str(), vector, place);
  }
  const double value = number(row);
  switch (type_.kind) {
    case ScalarKind::float64:
      FlatVector::GetDataUnsafe<double>(vector)[place] = value;
      return Parse::ok;
    case ScalarKind::float32:
      FlatVector::GetDataUnsafe<float>(vector)[place] = static_cast<float>(value);
      return Parse::ok;
    default:
      return store_text(type_, fmt::format("{:.{}f}", value, is_integer(type_.kind) ? 0 : type_.scale), vector, place);
  }
}

Result<> GeneratedColumn::fill(Vector& vector, int64_t first, int64_t count) const {
  for (int64_t i = 0; i < count; ++i) {
    if (store(vector, i, first + i) == Parse::ok) continue;
    return user_error(Code::out_of_range, fmt::format("generator column {}: the value of row {} does not fit {}", name_,
                                                      first + i, vector.GetType().ToString()));
  }
  return {};
}

}  // namespace headrace
