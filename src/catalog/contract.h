// Reading contracts/NAME.toml. Private to src/catalog.
#pragma once

#include <string>
#include <vector>

#include "catalog/project.h"

namespace headrace {

struct ReadContract {
  Contract contract;
  std::vector<Error> errors;  ///< bad_contract, each with its place.
};

/// `path` is relative to the project: the file's name is the source's, unless the contract says another.
ReadContract read_contract(const std::string& text, const std::string& path);

}  // namespace headrace
