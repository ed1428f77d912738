// The plan as documented JSON (docs/reference/plan.md), and its fingerprint.
#pragma once

#include <string>
#include <string_view>

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
/// What is special to the node's kind, as JSON members that begin with a comma.
std::string node_members(const Node& node);
/// One line for people about what the node does.
std::string node_detail(const Node& node);
/// A hash as 16 hexadecimal digits, the same in every process: good enough to tell two plans apart.
std::string fingerprint_of(std::string_view text);

}  // namespace headrace
