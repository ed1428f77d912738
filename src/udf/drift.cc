#include "udf/drift.h"

#include <algorithm>
#include <cmath>

namespace headrace {

void Drift::note(const double* live, const double* beside, int64_t rows) {
  for (int64_t row = 0; row < rows; ++row) {
    const Pair pair{live[row], beside[row]};
    if (!std::isfinite(pair.live) || !std::isfinite(pair.beside)) continue;
    difference_ += pair.beside - pair.live;
    ++rows_;
    if (is_cut_)
      count(pair);
    else
      waiting_.push_back(pair);
  }
  if (!is_cut_ && waiting_.size() >= rows_first) cut_tenths();
}

/// The edges are quantiles between the two nearest scores, as numpy's.
void Drift::cut_tenths() {
  std::vector<double> sorted;
  for (const Pair& pair : waiting_) sorted.push_back(pair.live);
  std::sort(sorted.begin(), sorted.end());
  for (size_t i = 0; i < edges_.size(); ++i) {
    const double place = static_cast<double>(i + 1) / bins * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<size_t>(place);
    edges_[i] = std::lerp(sorted[below], sorted[std::min(below + 1, sorted.size() - 1)], place - std::floor(place));
  }
  is_cut_ = true;
  for (const Pair& pair : waiting_) count(pair);
  waiting_ = {};
}

void Drift::count(Pair pair) {
  auto bin = [&](double score) {
    return static_cast<size_t>(std::upper_bound(edges_.begin(), edges_.end(), score) - edges_.begin());
  };
  ++live_[bin(pair.live)];
  ++beside_[bin(pair.beside)];
}

double Drift::psi() const {
  if (!is_cut_) return 0;
  double out = 0;
  const double all = static_cast<double>(rows_) + 0.5 * bins;
  for (size_t i = 0; i < bins; ++i) {
    const double p = (static_cast<double>(live_[i]) + 0.5) / all, q = (static_cast<double>(beside_[i]) + 0.5) / all;
    out += (p - q) * std::log(p / q);
  }
  return out;
}

double Drift::mean_difference() const {
  return rows_ > 0 ? difference_ / static_cast<double>(rows_) : 0;
}

}  // namespace headrace
