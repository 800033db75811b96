#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace troupe::storage {

/// Which lines of the log are said: the same one (event and values) some times a minute, beyond
/// that it is counted. Belongs to whoever holds the lock. Remembers `most` lines; where there are
/// more, those that came once are forgotten, and if all came again, new ones pass.
class log_repeats {
public:
  using time_point = std::chrono::steady_clock::time_point;
  static constexpr auto window = std::chrono::minutes(1);
  static constexpr std::size_t most = 256;

  /// A line that was counted instead of said.
  struct summary {
    std::string event;
    std::uint64_t times = 0;
  };

  explicit log_repeats(std::uint32_t a_minute) : a_minute_(a_minute) {}

  /// 0: every line is said.
  void set_limit(std::uint32_t a_minute) noexcept { a_minute_ = a_minute; }

  /// True if the line is to be said.
  bool admit(std::string_view event, std::string_view line, time_point now) {
    if (a_minute_ == 0)
      return true;
    auto key = std::hash<std::string_view>()(line);
    auto found = lines_.find(key);
    if (found == lines_.end()) {
      if (lines_.size() >= most)
        std::erase_if(lines_, [](const auto& one) { return one.second.came_once(); });
      if (lines_.size() < most)
        lines_.emplace(key, counted{std::string(event), now, 1, 0});
      return true;
    }
    auto& one = found->second;
    if (one.said < a_minute_) {
      ++one.said;
      return true;
    }
    ++one.unsaid;
    return false;
  }

  /// What was counted in minutes that are over, which begin anew. Call it before `admit`.
  std::vector<summary> take_due(time_point now) {
    std::vector<summary> due;
    if (now < look_again_)
      return due;
    look_again_ = now + std::chrono::seconds(1);
    for (auto one = lines_.begin(); one != lines_.end();) {
      if (now - one->second.since < window) {
        ++one;
        continue;
      }
      if (one->second.unsaid > 0)
        due.push_back({std::move(one->second.event), one->second.unsaid});
      one = lines_.erase(one);
    }
    return due;
  }

private:
  struct counted {
    std::string event;
    time_point since;
    std::uint32_t said = 0;
    std::uint64_t unsaid = 0;

    bool came_once() const noexcept { return said == 1 && unsaid == 0; }
  };

  std::uint32_t a_minute_;
  std::map<std::size_t, counted> lines_; ///< by the hash of the whole line
  time_point look_again_;
};

} // namespace troupe::storage
