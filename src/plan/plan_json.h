// The plan as documented JSON (docs/reference/plan.md), and its fingerprint.
#pragma once

#include <string>

#include "plan/nodes.h"

namespace headrace {

/// {"nodes": [{"id", "kind", "name", "inputs": [{"node", "output"}], "columns": [{"name", "type", "role"}],
/// "changelog", "key", "detail",
/// ...}]}. Options whose names speak of secrets are left out.
std::string plan_json(const Plan& plan);
/// Text for people: one node a line, inputs indented below.
std::string explain_text(const Plan& plan);
/// What state depends on: node kinds, expressions, types and edges; not the places in files.
std::string plan_fingerprint(const Plan& plan);

}  // namespace headrace
