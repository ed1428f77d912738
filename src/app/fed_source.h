// The connector `fed`: a source whose rows come from the program itself, for golden tests and for `headrace drive`.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace headrace {

/// What was fed to a source so far; a source of a restored engine reads on from its position.
struct FedLog {
  std::vector<std::string> pieces;
  bool ended = false;
};

/// By the source's name in lower case. The thread that steps the engine uses it.
std::map<std::string, FedLog>& fed_logs();

void register_fed_connector();

}  // namespace headrace
