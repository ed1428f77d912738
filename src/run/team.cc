#include "run/team.h"

namespace headrace {

Team::Team(uint32_t members) : members_(members), results_(members) {
  for (uint32_t member = 1; member < members; ++member) threads_.emplace_back([this, member] { serve(member); });
}

Team::~Team() {
  leaving_ = true;
  ++phase_;
  phase_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Team::serve(uint32_t member) {
  for (uint64_t seen = 0;;) {
    phase_.wait(seen);
    seen = phase_.load();
    if (leaving_) return;
    results_[member] = (*work_)(member);
    if (busy_.fetch_sub(1) == 1) busy_.notify_one();
  }
}

Result<> Team::run(const std::function<Result<>(uint32_t)>& work) {
  if (members_ == 1) return work(0);
  work_ = &work;
  busy_ = members_ - 1;
  ++phase_;
  phase_.notify_all();
  results_[0] = work(0);
  for (uint32_t busy = busy_.load(); busy != 0; busy = busy_.load()) busy_.wait(busy);
  for (Result<>& result : results_)
    if (!result) return std::exchange(result, Result<>());
  return {};
}

}  // namespace headrace
