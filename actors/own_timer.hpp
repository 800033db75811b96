#pragma once

#include "actors/caf.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

namespace troupe {

/// The timer of an actor that has many deadlines: a message to itself at the first of them. It is
/// armed whenever that may have changed, and sends none if one is on its way that comes sooner.
class own_timer {
public:
  using time_point = caf::actor_clock::time_point;

  template <class Self, class Atom>
  void arm(Self self, time_point due, Atom atom) {
    using std::chrono::milliseconds;
    auto now = self->clock().now();
    auto wait = std::max(std::chrono::ceil<milliseconds>(due - now), milliseconds{1});
    if (!coming_.empty() && coming_.back() <= now + wait)
      return;
    coming_.push_back(now + wait);
    self->delayed_send(self, wait, atom);
  }
  /// To be called when the message has come.
  void came(time_point now) {
    while (!coming_.empty() && coming_.back() <= now)
      coming_.pop_back();
  }

private:
  std::vector<time_point> coming_; ///< the next one last
};

} // namespace troupe
