// From statements to a typed plan: binds every statement with DuckDB, turns what it bound into nodes, refuses what
// cannot be right.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "catalog/project.h"
#include "duck/session.h"
#include "plan/nodes.h"
#include "plan/statement.h"
#include "udf/function.h"

namespace headrace {

struct Planned {
  Plan plan;                            ///< Unoptimised.
  std::unique_ptr<SqlSession> session;  ///< Expressions of the plan live on it.
  std::vector<Error> errors;            ///< All of them; with any, the plan is not to be run.
  std::vector<Error> warnings;
};

/// Plans all statements of a project. `functions` may be nullptr; it is called while the pipeline runs.
Planned plan_project(const Project& project, const std::vector<Statement>& statements, FunctionHost* functions);

}  // namespace headrace
