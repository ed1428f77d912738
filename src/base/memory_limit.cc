#include "base/memory_limit.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "base/file.h"

namespace headrace {
namespace {

constexpr const char* groups = "/sys/fs/cgroup";

/// The least limit of a group and those above it; 0 = none.
int64_t group_limit(std::string group) {
  int64_t least = 0;
  for (;;) {
    Result<std::string> text = read_file(groups + group + "/memory.max");
    const int64_t limit = text ? std::strtoll(text->c_str(), nullptr, 10) : 0;  // "max" gives 0.
    if (limit > 0) least = least == 0 ? limit : std::min(least, limit);
    const size_t slash = group.rfind('/');
    if (slash == std::string::npos) return least;
    group.resize(slash);
  }
}

}  // namespace

int64_t memory_limit_bytes() {
  const int64_t machine = int64_t{::sysconf(_SC_PHYS_PAGES)} * ::sysconf(_SC_PAGESIZE);
  Result<std::string> own = read_file("/proc/self/cgroup");
  const size_t unified = own ? own->find("0::") : std::string::npos;
  if (unified == std::string::npos) return machine;
  const size_t begin = unified + 3;
  const int64_t limit = group_limit(own->substr(begin, own->find('\n', begin) - begin));
  return limit > 0 ? std::min(limit, machine) : machine;
}

}  // namespace headrace
