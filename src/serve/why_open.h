// Why a view's result is not out, as JSON.
#pragma once

#include <string>

#include "run/pipeline.h"

namespace headrace {

/// Event times are milliseconds since 1970-01-01 UTC.
std::string why_open_json(const WhyOpen& why);

}  // namespace headrace
