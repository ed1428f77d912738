// How far the scores of one model lie from another's; python/headrace/scoring.py measures the same for models in
// workers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace headrace {

/// The population stability index over tenths of the live scores, and the mean difference. One thread at a time.
class Drift {
 public:
  /// Takes the scores of the same rows. Pairs with one that is not finite do not count.
  void note(const double* live, const double* beside, int64_t rows);

  /// Sum over the tenths of (p - q) ln(p / q), p and q the shares of the live and the other scores, with half a row
  /// more in each; 0 while fewer than `rows_first` rows have cut the tenths.
  double psi() const;
  /// Mean of the other score less the live one.
  double mean_difference() const;

  static constexpr size_t bins = 10;
  static constexpr size_t rows_first = 1000;

 private:
  struct Pair {
    double live, beside;
  };
  void cut_tenths();
  void count(Pair pair);

  std::vector<Pair> waiting_;  ///< Until there are rows enough to cut by.
  std::array<double, bins - 1> edges_{};
  std::array<int64_t, bins> live_{}, beside_{};
  double difference_ = 0;
  int64_t rows_ = 0;
  bool is_cut_ = false;
};

}  // namespace headrace
