// Fuzzes what reads a segment of the embedded log: any bytes are recovered up to a torn end, or are corrupt_state; what
// was recovered is recovered again as the same, and every record of it can be read.
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/check.h"
#include "base/file.h"
#include "log/log.h"
#include "log/segment.h"

using namespace headrace;

namespace {

/// Where the bytes stand as a file; goes with the process.
struct Folder {
  Folder() : path(std::filesystem::temp_directory_path() / ("headrace-fuzz-" + std::to_string(getpid()))) {
    CHECK(make_directories(path).ok());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

const std::string& folder() {
  static const Folder made;
  return made.path;
}

void write_segment_bytes(std::string_view bytes) {
  Result<File> file = File::open(segment_path(folder(), 0), File::Mode::truncate);
  CHECK(file.ok() && file->write(bytes).ok());
}

void read_all() {
  Result<std::unique_ptr<Log>> log = Log::open({.directory = folder()});
  CHECK(log.ok());
  const int64_t end = (*log)->end();
  Result<std::vector<LogRecord>> records = (*log)->read(0, INT64_MAX);
  CHECK(records.ok());
  CHECK_EQ(static_cast<int64_t>(records->size()), end);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  write_segment_bytes(bytes);
  (void)recover_segment(segment_path(folder(), 0), 0, false);
  const Result<Segment> recovered = recover_segment(segment_path(folder(), 0), 0, true);
  if (!recovered || recovered->end == 0) return 0;
  CHECK_LE(recovered->bytes, size);
  const Result<Segment> again = recover_segment(segment_path(folder(), 0), 0, false);
  CHECK(again.ok() && again->end == recovered->end && again->bytes == recovered->bytes);
  read_all();
  return 0;
}
