// A bound scalar expression: an immutable handle to DuckDB's bound tree, whose column references are positions in its
// input.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "duck/chunk.h"

namespace duckdb {
class Expression;
}

namespace headrace {

/// Cheap to copy; safe to read from any thread.
class Expr {
 public:
  Expr() = default;
  explicit Expr(std::shared_ptr<const duckdb::Expression> bound) : bound_(std::move(bound)) {}

  /// A reference to input column `column`.
  static Expr reference(size_t column, const LogicalType& type, const std::string& name);

  static Expr constant(const duckdb::Value& value);

  bool empty() const { return bound_ == nullptr; }
  const LogicalType& type() const;
  /// The column, when the expression is nothing but a reference.
  std::optional<size_t> column() const;
  /// All columns it reads, sorted, each once.
  std::vector<size_t> columns() const;
  /// Adds to `uses`, by column, how often it reads each.
  void count_uses(std::vector<size_t>& uses) const;
  /// True when equal inputs always give equal outputs.
  bool deterministic() const;
  /// The names of the functions it calls, each once, sorted.
  std::vector<std::string> functions() const;
  /// The same expression over an input whose column `i` has moved to `places[i]`.
  Expr remap(const std::vector<size_t>& places) const;
  /// The expression that results when each reference to column `i` is replaced by `inputs[i]` (composition of
  /// projections).
  Expr compose(const std::vector<Expr>& inputs) const;
  /// SQL-like text for people, with the names of the columns.
  std::string text() const;
  /// The documented JSON form (docs/reference/plan.md): {"column": 2}, {"constant": ..., "type"}, {"call": name,
  /// "arguments": [...], "type"}, ...
  std::string json() const;
  const duckdb::Expression& bound() const { return *bound_; }

 private:
  std::shared_ptr<const duckdb::Expression> bound_;
};

}  // namespace headrace
