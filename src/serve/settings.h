// The [server] settings of headrace.toml as the server's options.
#pragma once

#include "catalog/project.h"
#include "serve/server.h"

namespace headrace {

/// Takes listen, allowed_hosts and the limits, and the project's dashboards. What is not set stays as it is.
/// Errors: bad_config (a limit that is not positive).
Result<> take_settings(const Project& project, ServerOptions& options);

}  // namespace headrace
