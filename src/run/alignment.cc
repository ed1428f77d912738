#include "run/alignment.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "run/time_text.h"
#include "run/watermarks.h"

namespace headrace {
namespace {

bool has_time(const SourceInput& input) {
  return input.node().watermark && !input.node().is_static;
}

}  // namespace

std::vector<uint32_t> connected_groups(const Plan& plan) {
  std::vector<uint32_t> out(plan.nodes.size());
  std::iota(out.begin(), out.end(), 0);
  for (uint32_t node = 0; node < plan.nodes.size(); ++node)
    for (const Input& input : timed_inputs(plan.nodes[node]))
      std::replace(out.begin(), out.end(), uint32_t{out[node]}, uint32_t{out[input.node.value]});
  return out;
}

Alignment::Alignment(const Plan& plan, int64_t drift_ms)
    : drift_ms_(drift_ms), group_(connected_groups(plan)), slowest_(plan.nodes.size()) {}

void Alignment::pause(const Inputs& inputs) {
  if (drift_ms_ < 0) return;
  std::fill(slowest_.begin(), slowest_.end(), Slowest());
  for (const auto& input : inputs) {
    if (!has_time(*input) || input->ended()) continue;
    Slowest& slowest = slowest_of(*input);
    for (uint32_t number = 0; number < input->splits().size(); ++number) {
      const SourceInput::Split& split = input->splits()[number];
      if (!split.ended && split.backlog && split.watermark != EventTime::min() && split.watermark < slowest.watermark)
        slowest = {input.get(), number, split.watermark};
    }
  }
  for (const auto& input : inputs) {
    if (!has_time(*input)) continue;
    const EventTime slowest = slowest_of(*input).watermark;
    const bool bounded = slowest.ms < EventTime::max().ms - drift_ms_;
    input->pause_ahead_of(bounded ? EventTime{slowest.ms + drift_ms_} : EventTime::max());
  }
}

std::string Alignment::reason(const SourceInput& input, uint32_t split) const {
  const Slowest& slowest = slowest_[group_[input.node().id.value]];
  const EventTime own = input.splits()[split].watermark;
  return fmt::format(
      "{} is paused: it stands at {}, {} ahead of {}, which has more to read. It is read on when that has come within "
      "{} "
      "of it (engine.source_drift_ms)",
      input.title(split), text_of(own), duration_text(own.ms - slowest.watermark.ms),
      slowest.input->title(slowest.split), duration_text(drift_ms_));
}

std::string Alignment::reason(const SourceInput& input) const {
  for (uint32_t split = 0; split < input.splits().size(); ++split)
    if (input.splits()[split].paused) return reason(input, split);
  return "";
}

}  // namespace headrace
