#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace headrace {

void check_failed(const char* file, int line, const std::string& what) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s\n  This is a bug in Headrace; please report it with the lines above.\n",
               file, line, what.c_str());
  std::abort();
}

}  // namespace headrace
