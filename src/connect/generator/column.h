// One generated column: a value per row number, made of nothing but the seed and that number.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/scalar_text.h"
#include "data/schema.h"

namespace headrace {

class GeneratedColumn {
 public:
  /// `rule` is one of sequence([start[, step]]), uniform(low, high), normal(mean, deviation), choice(a, b, ...) and
  /// step(start, interval) for times; "" gives a rule that fits the type. Errors: bad_config, bad_duration.
  static Result<GeneratedColumn> make(const Field& field, uint64_t seed, std::string_view rule);

  /// Writes the values of rows [first, first + count) into the flat vector's rows [0, count).
  Result<> fill(Vector& vector, int64_t first, int64_t count) const;

 private:
  enum class Rule : uint8_t { sequence, uniform, normal, choice, step };

  std::string name_;
  ScalarType type_;
  Rule rule_ = Rule::uniform;
  uint64_t seed_ = 0;
  double low_ = 0, high_ = 0;     ///< uniform: bounds; normal: mean and deviation.
  int64_t start_ = 0, step_ = 1;  ///< sequence; step: in the type's unit (microseconds, days).
  std::vector<std::string> choices_;

  double number(int64_t row) const;
  Parse store(Vector& vector, int64_t place, int64_t row) const;
};

}  // namespace headrace
