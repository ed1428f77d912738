// One subscriber of a view's changes. The engine hands changes over without waiting; what a slow subscriber does not
// take is dropped as a whole, and it gets the view anew.
#pragma once

#include <memory>
#include <optional>

#include "run/pipeline.h"
#include "serve/message.h"

namespace headrace {

/// Events, with `id` = tick (on the last event of a tick, so that a broken stream resumes before it):
///   changes  {"tick", "durable_tick", "changes": [["+I", {...}], ...]}; "snapshot": true when the changes are the
///   whole view, the
///            first that a subscriber without `since` gets; "more": true when the tick goes on in the next event.
///   reset    the same: corrects what was seen beyond the durable tick; with "snapshot": true it replaces everything
///   seen before.
std::unique_ptr<EventFeed> make_view_feed(Pipeline& pipeline, const ViewInfo& view, std::optional<Tick> since,
                                          int64_t rows_max);

}  // namespace headrace
