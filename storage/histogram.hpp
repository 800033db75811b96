#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace troupe::storage {

/// How often a value was at most each of some bounds, and beyond the last; and the sum of all.
/// Empty: nothing was counted.
struct histogram_counts {
  std::vector<std::uint64_t> counts; ///< one for each bound, not cumulative, and one for the rest
  std::uint64_t sum = 0;
};

/// Counts values by fixed bounds. One thread; adding allocates nothing.
class histogram {
public:
  /// `bounds` rise, and outlive it.
  explicit histogram(std::span<const std::uint64_t> bounds) : bounds_(bounds) {
    all_.counts.resize(bounds.size() + 1);
  }

  void add(std::uint64_t value) noexcept {
    auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
    ++all_.counts[static_cast<std::size_t>(at)];
    all_.sum += value;
  }
  const histogram_counts& read() const noexcept { return all_; }

private:
  std::span<const std::uint64_t> bounds_;
  histogram_counts all_;
};

/// Of requests, in milliseconds.
inline constexpr std::array<std::uint64_t, 13> request_ms_bounds = {
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10'000};
/// Of flushes, in microseconds.
inline constexpr std::array<std::uint64_t, 14> flush_us_bounds = {
    50,     100,    200,    500,     1000,    2000,      5000,
    10'000, 20'000, 50'000, 100'000, 500'000, 1'000'000, 5'000'000};
/// Of what is flushed together, in bytes.
inline constexpr std::array<std::uint64_t, 10> flush_bytes_bounds = {
    256, 1024, 4096, 16'384, 65'536, 262'144, 1'048'576, 4'194'304, 16'777'216, 67'108'864};

} // namespace troupe::storage
