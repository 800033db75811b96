#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace troupe::net {

/// How much of something each of many may have an hour. Those whose hour is over are forgotten;
/// when too many are known at a time, those that come new share one budget.
class hourly_budget {
public:
  static constexpr std::int64_t hour_ms = 3'600'000;
  static constexpr std::size_t most_known = 10'000;

  /// `most` 0: no limit, and nobody is remembered.
  explicit hourly_budget(std::size_t most) : most_(most) {}

  bool has_room(const std::string& who, std::int64_t now_ms) {
    if (most_ == 0)
      return true;
    make_place(now_ms);
    auto found = find(who);
    return found == spent_.end() || found->second.is_over(now_ms) || found->second.count < most_;
  }

  /// Where `has_room`.
  void take(const std::string& who, std::int64_t now_ms) {
    if (most_ == 0)
      return;
    auto found = find(who);
    if (found == spent_.end())
      found = spent_.try_emplace(spent_.size() < most_known ? who : std::string()).first;
    auto& own = found->second;
    if (own.count == 0 || own.is_over(now_ms))
      own = {now_ms, 0};
    ++own.count;
  }

  /// Until it has room again, at least one.
  std::int64_t minutes_left(const std::string& who, std::int64_t now_ms) {
    auto found = find(who);
    if (found == spent_.end())
      return 1;
    return std::max<std::int64_t>((found->second.began_ms + hour_ms - now_ms + 59'999) / 60'000, 1);
  }

  std::size_t most() const noexcept { return most_; }
  std::size_t known() const noexcept { return spent_.size(); }

private:
  struct spent {
    std::int64_t began_ms = 0;
    std::size_t count = 0;
    bool is_over(std::int64_t now_ms) const noexcept { return now_ms - began_ms >= hour_ms; }
  };
  using table = std::map<std::string, spent>;

  /// Its own, or that of all for whom there was no place.
  table::iterator find(const std::string& who) {
    auto own = spent_.find(who);
    return own != spent_.end() || spent_.size() < most_known ? own : spent_.find({});
  }

  /// Looked through seldom: those who fill it may ask often.
  void make_place(std::int64_t now_ms) {
    if (spent_.size() < most_known || now_ms < next_look_ms_)
      return;
    next_look_ms_ = now_ms + look_interval_ms;
    std::erase_if(spent_, [now_ms](const auto& one) { return one.second.is_over(now_ms); });
  }

  static constexpr std::int64_t look_interval_ms = 60'000;
  std::size_t most_;
  std::int64_t next_look_ms_ = 0;
  table spent_; ///< by whom; the empty name is that of all for whom there was no place
};

} // namespace troupe::net
