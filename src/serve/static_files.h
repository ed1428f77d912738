// The console's files, read once. Unknown paths without a file's ending get index.html: the console routes them itself.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "serve/message.h"

namespace headrace {

class StaticFiles {
 public:
  /// Reads every file below `root`; "" gives none. Errors: io_error.
  static Result<std::unique_ptr<StaticFiles>> read(const std::string& root);
  /// nullopt when the path is not the console's.
  std::optional<Response> get(const Request& request) const;

 private:
  struct Page {
    std::string bytes, content_type, etag;
    bool named_by_content = false;  ///< Its name changes with its content: may be kept for ever.
  };
  std::map<std::string, Page> pages_;  ///< By path, "/assets/a.js".
};

}  // namespace headrace
