// A relation's columns: names and types. Immutable once shared.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "duck/chunk.h"

namespace headrace {

struct Field {
  std::string name;
  LogicalType type;
  bool nullable = true;
};

class Schema {
 public:
  Schema() = default;
  explicit Schema(std::vector<Field> fields) : fields_(std::move(fields)) {}

  const std::vector<Field>& fields() const { return fields_; }
  size_t size() const { return fields_.size(); }
  const Field& operator[](size_t column) const { return fields_[column]; }
  /// The column of that name, matched without regard to case.
  std::optional<size_t> find(std::string_view name) const;
  duckdb::vector<LogicalType> types() const;
  /// Columns `columns` in that order.
  Schema select(const std::vector<size_t>& columns) const;
  /// True when rows of `newer` can be read as rows of this: each of our fields is there with the same type, or is
  /// nullable.
  bool accepts(const Schema& newer) const;
  /// Gives "a BIGINT, b VARCHAR NOT NULL".
  std::string text() const;

 private:
  std::vector<Field> fields_;
};

using SchemaRef = std::shared_ptr<const Schema>;

}  // namespace headrace
