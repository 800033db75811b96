#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>

namespace troupe::storage {

/// Lets one log line through in a while, for what others can cause as often as they like. Belongs
/// to one thread, or to whoever holds the lock.
class log_limit {
public:
  using time_point = std::chrono::steady_clock::time_point;

  /// Counts one occurrence. A value says that a line is due, and of how many occurrences it speaks:
  /// this one and those since the line before.
  std::optional<std::uint64_t> occurred(time_point now) {
    ++unsaid_;
    if (last_ && now - *last_ < interval)
      return std::nullopt;
    last_ = now;
    return std::exchange(unsaid_, 0);
  }

private:
  static constexpr auto interval = std::chrono::seconds(10);
  std::optional<time_point> last_;
  std::uint64_t unsaid_ = 0;
};

} // namespace troupe::storage
