// How fast a process's memory grows, by least squares over its last measurements.
#pragma once

#include <array>
#include <cstddef>

namespace headrace {

class MemorySlope {
 public:
  void add(double calls, double bytes) { points_[next_++ % points_.size()] = {calls, bytes}; }
  void clear() { next_ = 0; }

  /// Bytes per call; 0 while there are too few measurements to say.
  double bytes_per_call() const {
    const size_t count = next_ < points_.size() ? next_ : points_.size();
    if (count < points_.size() / 4) return 0;
    double mean_calls = 0, mean_bytes = 0;
    for (size_t i = 0; i < count; ++i) {
      mean_calls += points_[i].calls / static_cast<double>(count);
      mean_bytes += points_[i].bytes / static_cast<double>(count);
    }
    double product = 0, square = 0;
    for (size_t i = 0; i < count; ++i) {
      product += (points_[i].calls - mean_calls) * (points_[i].bytes - mean_bytes);
      square += (points_[i].calls - mean_calls) * (points_[i].calls - mean_calls);
    }
    return square > 0 ? product / square : 0;
  }

 private:
  struct Point {
    double calls = 0, bytes = 0;
  };
  std::array<Point, 32> points_{};
  size_t next_ = 0;
};

}  // namespace headrace
