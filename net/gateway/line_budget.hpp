#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

namespace troupe::net {

/// Lines of the log that strangers can cause as often as they like: so many every ten seconds, the
/// others are counted.
class line_budget {
public:
  using clock = std::chrono::steady_clock;

  explicit line_budget(std::size_t lines) : lines_(lines) {}

  /// Nothing when the line is not to be written; else how many were not written since the last one.
  std::optional<std::size_t> take(clock::time_point now = clock::now()) noexcept {
    if (now - began_ >= std::chrono::seconds(10)) {
      began_ = now;
      used_ = 0;
    }
    if (used_ < lines_) {
      ++used_;
      return std::exchange(unsaid_, 0);
    }
    ++unsaid_;
    return std::nullopt;
  }

private:
  std::size_t lines_;
  std::size_t used_ = 0;
  std::size_t unsaid_ = 0;
  clock::time_point began_{};
};

} // namespace troupe::net
