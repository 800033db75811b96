#pragma once

#include <algorithm>
#include <cstdint>

namespace troupe::storage {

/// Store times of the records of one log, in milliseconds since 1970: they go on through the small
/// steps back that clocks make. A clock that was set back by more had been wrong before: it is
/// followed, or all that is written from then on would carry the wrong time.
class store_time {
public:
  static constexpr std::int64_t largest_step_ms = 60'000;

  store_time() = default;
  explicit store_time(std::int64_t last_ms) noexcept : last_ms_(last_ms) {}

  /// The store time of a record that is written when the clock says `now_ms`.
  std::int64_t at(std::int64_t now_ms) const noexcept {
    return set_back(now_ms) ? now_ms : std::max(last_ms_, now_ms);
  }
  bool set_back(std::int64_t now_ms) const noexcept { return last_ms_ - now_ms > largest_step_ms; }

  void note(std::int64_t stored_ms) noexcept { last_ms_ = stored_ms; }
  std::int64_t last() const noexcept { return last_ms_; }

private:
  std::int64_t last_ms_ = 0; ///< of the newest record
};

} // namespace troupe::storage
