// The planning half of DuckDB: names and types in, bound relations and expressions out. Nothing is executed here.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "duck/bound_relation.h"
#include "duck/evaluator.h"
#include "duck/user_functions.h"

namespace headrace {

/// One thread at a time. Evaluators made from it live no longer than it.
class SqlSession {
 public:
  static Result<std::unique_ptr<SqlSession>> open();
  virtual ~SqlSession() = default;

  /// Makes `name` a relation that SELECTs may name. Errors: duplicate_name.
  virtual Result<> add_relation(const std::string& name, const std::vector<BoundColumn>& columns) = 0;
  /// Makes a function callable. Errors: duplicate_name.
  virtual Result<> add_function(const ScalarFunctionSpec& spec) = 0;
  virtual Result<> add_function(const AggregateFunctionSpec& spec) = 0;
  virtual Result<> add_function(const TableFunctionSpec& spec) = 0;
  virtual Result<> add_function(const ProcessFunctionSpec& spec) = 0;
  /// Parses and binds one SELECT (already rewritten). An error's location column is the byte in `sql`, from 1; line 0.
  virtual Result<std::unique_ptr<BoundRelation>> bind_select(const std::string& sql) = 0;
  /// Binds one expression over the columns.
  virtual Result<Expr> bind_expression(const std::string& sql, const std::vector<BoundColumn>& columns) = 0;
  /// Errors: bind_error.
  virtual Result<LogicalType> parse_type(const std::string& text) = 0;
  /// A place to evaluate expressions in; one per thread.
  virtual std::unique_ptr<EvaluationContext> make_context() = 0;
};

}  // namespace headrace
