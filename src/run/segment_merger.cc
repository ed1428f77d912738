#include "run/segment_merger.h"

#include <algorithm>

#include "base/file.h"
#include "base/log_line.h"
#include "run/segment.h"

namespace headrace {

SegmentMerger::SegmentMerger(std::string directory) : directory_(std::move(directory)), thread_([this] { serve(); }) {}

SegmentMerger::~SegmentMerger() {
  {
    std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  change_.notify_all();
  thread_.join();
}

int64_t SegmentMerger::merged_bytes() const {
  std::lock_guard lock(mutex_);
  return merged_bytes_;
}

void SegmentMerger::serve() {
  for (;;) {
    std::optional<Job> job;
    {
      std::unique_lock lock(mutex_);
      change_.wait(lock, [&] { return leaving_ || asked_.has_value(); });
      if (!asked_ || leaving_) return;
      job = std::exchange(asked_, std::nullopt);
    }
    job->size = merge_segments(directory_ + "/segments", job->parts, scratch());
    std::lock_guard lock(mutex_);
    if (job->size) merged_bytes_ += *job->size;
    done_ = std::move(job);
  }
}

/// The merged file takes the place of its parts, which are neighbours.
Result<> SegmentMerger::adopt(const Job& job, std::vector<SegmentName>& segments) const {
  if (!job.size) {
    log_error("segments_not_merged", job.size.error());
    return {};
  }
  auto first =
      std::find_if(segments.begin(), segments.end(), [&](const SegmentName& s) { return s.name == job.parts.front(); });
  if (first == segments.end()) return {};  // A checkpoint of the whole state has replaced all of them.
  std::string stem = job.parts.back();
  const std::string name = stem.substr(0, stem.find('.')) + ".m" + std::to_string(job.parts.size()) + ".seg";
  HEADRACE_TRY(replace_file(scratch(), directory_ + "/segments/" + name));
  *first = {name, *job.size};
  segments.erase(first + 1, first + static_cast<ptrdiff_t>(job.parts.size()));
  return {};
}

Result<> SegmentMerger::take_turn(std::vector<SegmentName>& segments) {
  std::lock_guard lock(mutex_);
  if (done_) {
    HEADRACE_TRY(adopt(*std::exchange(done_, std::nullopt), segments));
    busy_ = false;
  }
  std::vector<int64_t> sizes;
  for (const SegmentName& segment : segments) sizes.push_back(segment.bytes);
  const auto due = segments_to_merge(sizes);
  if (busy_ || !due) return {};
  Job job;
  for (size_t i = due->first; i < due->second; ++i) job.parts.push_back(segments[i].name);
  asked_ = std::move(job);
  busy_ = true;
  change_.notify_all();
  return {};
}

}  // namespace headrace
