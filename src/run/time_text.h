// Event times and durations as people read them in reasons.
#pragma once

#include <string>

#include "data/event_time.h"

namespace headrace {

/// As a view shows it; "the beginning" and "the end" for the bounds of time.
std::string text_of(EventTime time);
/// "1 d 2 h 0.5 s" and the like, without a sign.
std::string duration_text(int64_t ms);

}  // namespace headrace
